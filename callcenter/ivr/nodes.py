"""The kinds of nodes a flow is made of, with every limit stated.

A reference to a node is its id, or `.person` (a person, wherever the call stands) or `.return` (in
a flow that another one runs: back to that one; elsewhere a person).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictBool, StringConstraints, model_validator

from callcenter.ivr.spoken import MAX_LANGUAGES, Language, Part, Spoken, Title, VariableName
from callcenter.platform.numbers import Whole

KEYS: Final = "0123456789*#"
#: Built-in ways out; the dot keeps them apart from every node id.
PERSON: Final = ".person"
RETURN: Final = ".return"
#: Kinds of keyed input that are personal data by themselves.
PERSONAL_KINDS: Final = frozenset({"phone", "id_number"})
#: What the runner knows of every call; a flow cannot set these.
BUILT_IN: Final = frozenset({"language", "line", "caller", "pace"})

NodeId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
Target = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9_-]{1,64}|\.person|\.return)$", max_length=64)
]
Key = Annotated[str, StringConstraints(pattern=r"^[0-9*#]$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
FlowName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
ResourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Value = Annotated[str, StringConstraints(pattern=r"^[\w .:+*#-]{0,100}$")]
TimeoutSeconds = Annotated[Whole, Field(ge=1, le=30)]
Retries = Annotated[Whole, Field(ge=0, le=5)]
#: A number another unit is reached at: digits, as the trunk dials them.
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^[+]?[0-9]{2,20}$")]


class _Node(Part):
    #: For whoever edits the flow; callers never hear it.
    note: Title | None = None


class Say(_Node):
    """Speaks, then goes on."""

    type: Literal["say"]
    say: Spoken
    next: Target


class Menu(_Node):
    """Speaks and waits for one key.

    `retries` says how often the menu is said again after silence or a wrong key; then the call goes
    to `on_timeout` or `on_invalid`, and to a person where those are not given. `0` is a person.
    """

    type: Literal["menu"]
    say: Spoken
    options: Annotated[dict[Key, Target], Field(min_length=1, max_length=len(KEYS))]
    timeout_seconds: TimeoutSeconds = 5
    retries: Retries = 2
    on_timeout: Target | None = None
    on_invalid: Target | None = None


class Collect(_Node):
    """Asks for digits, ended by `#` or by their number, and remembers them in `into`.

    With `read_back` the caller hears them and confirms with 1. `0` alone is a person where more
    than one digit is asked for. What is keyed is remembered for this call only and never logged.
    `purpose` says why personal data (`phone`, `id_number`, or 11 digits and more) is asked for.
    """

    type: Literal["collect"]
    say: Spoken
    into: VariableName
    kind: Literal["digits", "phone", "case_number", "id_number", "date"] = "digits"
    min_digits: Annotated[Whole, Field(ge=1, le=20)] = 1
    max_digits: Annotated[Whole, Field(ge=1, le=20)] = 20
    timeout_seconds: TimeoutSeconds = 5
    retries: Retries = 2
    read_back: StrictBool = False
    purpose: Title | None = None
    next: Target
    on_timeout: Target | None = None
    on_invalid: Target | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_digits > self.max_digits:
            raise ValueError("min_digits is more than max_digits")
        if self.into in BUILT_IN:
            raise ValueError(f"“{self.into}” is a name the hotline sets itself")
        return self


class Branch(_Node):
    """Goes on by the value of a variable: one set before, or `language`, `line`, `caller` (known or
    withheld), `pace` (normal or slow).
    """

    type: Literal["branch"]
    on: VariableName
    cases: Annotated[dict[Value, Target], Field(min_length=1, max_length=50)]
    otherwise: Target


class ByHours(_Node):
    """Goes on by a schedule. `holiday`: closed for a public holiday; absent: as `closed`."""

    type: Literal["schedule"]
    schedule: ResourceName
    open: Target
    closed: Target
    holiday: Target | None = None


class SwitchLanguage(_Node):
    """From here on the caller hears this language."""

    type: Literal["language"]
    language: Language
    next: Target


class Article(_Node):
    """Reads an answer to the caller, then goes on (back to a menu, as a rule).

    `text` is an answer written into the flow. `article` names one of the knowledge base: it is read
    in its published version while it is valid, then 1 repeats, 2 (or silence) goes on, 3 sends it
    by fax where `fax` names the node that does, 0 is a person.
    """

    type: Literal["article"]
    title: Annotated[dict[Language, Title], Field(max_length=MAX_LANGUAGES)] | None = None
    text: Spoken | None = None
    article: ResourceName | None = None
    fax: Target | None = None
    next: Target

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.text is None) == (self.article is None):
            raise ValueError("give either text, or article by its name")
        if self.fax is not None and self.article is None:
            raise ValueError("only an article by name can be faxed")
        return self


class ArticleMenu(_Node):
    """Offers the published articles of a category by keys, page by page: 1 to `page_size`, 9 for
    more, `*` back (to `next`), 0 a person. After an article the page is offered again.
    """

    type: Literal["article_menu"]
    category: ResourceName
    say: Spoken | None = None
    page_size: Annotated[Whole, Field(ge=1, le=4)] = 4
    timeout_seconds: TimeoutSeconds = 5
    retries: Retries = 2
    fax: Target | None = None
    next: Target
    on_timeout: Target | None = None


class CaseStatus(_Node):
    """Tells how a case stands to who knows its number and the last four digits of the number it was
    opened from. Whatever does not match sounds the same. After `tries`: `on_failed`, else a person.
    """

    type: Literal["case_status"]
    tries: Annotated[Whole, Field(ge=1, le=3)] = 3
    next: Target
    on_failed: Target | None = None


class ToQueue(_Node):
    """A person: leaves the flow for a queue of agents. `priority`: higher is served first."""

    type: Literal["queue"]
    queue: QueueName
    say: Spoken | None = None
    priority: Annotated[Whole, Field(ge=0, le=20)] = 0


class ToCallback(_Node):
    """Takes down where the caller wants to be called back, then says goodbye. Whoever confirms
    nothing, or keys no number, goes to `on_refused`, else to a person.
    """

    type: Literal["callback"]
    queue: QueueName
    say: Spoken | None = None
    on_refused: Target | None = None


class ToVoicemail(_Node):
    """Leaves the flow for the voice mailbox; `say` is its greeting."""

    type: Literal["voicemail"]
    say: Spoken | None = None
    reason: Literal["choice", "closed", "overflow"] = "choice"


class ToFax(_Node):
    """Sends a document, or an article, by fax: now to the caller's machine, or to a number the
    caller keys and confirms (then the call goes on at `next`). Neither given: the article that was
    heard last. What cannot be sent goes to `on_failed`, else to a person.
    """

    type: Literal["fax"]
    document: ResourceName | None = None
    article: ResourceName | None = None
    say: Spoken | None = None
    next: Target
    on_failed: Target | None = None

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.document is not None and self.article is not None:
            raise ValueError("give a document or an article, not both")
        return self


class ToNumber(_Node):
    """Leaves the flow for another number over the trunk; nobody there: for `queue`, by default the
    line's own.
    """

    type: Literal["transfer"]
    to: PhoneNumber
    say: Spoken | None = None
    ring_seconds: Annotated[Whole, Field(ge=5, le=120)] = 30
    queue: QueueName | None = None


class Survey(_Node):
    """Asks one question answered by one key; silence is an answer too. `0` is an answer only where
    `answers` has it.
    """

    type: Literal["survey"]
    question: ResourceName
    say: Spoken
    answers: Annotated[dict[Key, Title], Field(min_length=1, max_length=len(KEYS))]
    timeout_seconds: TimeoutSeconds = 5
    next: Target


class Set(_Node):
    """Remembers values for this call, and chooses the pace: `slow` plays every prompt at 0.8 of its
    speed from here on.
    """

    type: Literal["set"]
    values: Annotated[dict[VariableName, Value], Field(max_length=20)] = Field(default_factory=dict)
    pace: Literal["normal", "slow"] | None = None
    next: Target

    @model_validator(mode="after")
    def _sets_something(self) -> Self:
        if not self.values and self.pace is None:
            raise ValueError("give values, or a pace")
        taken = sorted(BUILT_IN & self.values.keys())
        if taken:
            raise ValueError(f"“{taken[0]}” is a name the hotline sets itself")
        return self


class SubFlow(_Node):
    """Runs another flow, in the version that is active when the call begins. `.return` there comes
    back to `next`.
    """

    type: Literal["flow"]
    flow: FlowName
    next: Target


class End(_Node):
    """Ends the call, with a last word if there is one."""

    type: Literal["hangup"]
    say: Spoken | None = None


Node = Annotated[
    Say
    | Menu
    | Collect
    | Branch
    | ByHours
    | SwitchLanguage
    | Article
    | ArticleMenu
    | CaseStatus
    | ToQueue
    | ToCallback
    | ToVoicemail
    | ToFax
    | ToNumber
    | Survey
    | Set
    | SubFlow
    | End,
    Field(discriminator="type"),
]
