"""What an article says: its kind, its words in each language, and how long it holds.

One edition is written as a draft, approved, and published unchanged as a version. Every limit
stated here stands in SQL too (`article_content_is_valid`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from callcenter.platform.errors import InvalidFields

#: The city's time zone: an article's first and last day are days there.
CITY_ZONE: Final = ZoneInfo("Asia/Shanghai")

#: Longest texts, in characters; longest lists.
MOST_TITLE: Final = 100
MOST_BODY: Final = 8000
MOST_SPOKEN: Final = 2000  #: about eight minutes on the phone
MOST_FIELD: Final = 300  #: one line of a guide
MOST_LINES: Final = 30  #: materials, steps
MOST_DEPARTMENT: Final = 100
MOST_KEYWORD: Final = 40
MOST_KEYWORDS: Final = 30
MOST_LANGUAGES: Final = 20
MOST_REASON: Final = 1000  #: of an act

FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)

#: A name that is a path of the API already.
RESERVED_NAMES: Final = frozenset({"search"})


class ArticleKind(StrEnum):
    """The kinds of articles the city names."""

    POLICY = "policy"  #: 政策法规
    CITY_GUIDE = "city_guide"  #: 城市指南
    INVESTMENT_GUIDE = "investment_guide"  #: 投资指南
    APPLICATION_MATERIALS = "application_materials"  #: 申办资料
    FEES = "fees"  #: 收费标准
    DEPARTMENT_DUTIES = "department_duties"  #: 部门职能
    SERVICE_GUIDE = "service_guide"  #: 办事指南: the one with a `guide`


#: What a kind is called, by language.
KIND_TITLES: Final[Mapping[ArticleKind, Mapping[str, str]]] = {
    ArticleKind.POLICY: {"zh": "政策法规", "en": "Policies and regulations"},
    ArticleKind.CITY_GUIDE: {"zh": "城市指南", "en": "City guide"},
    ArticleKind.INVESTMENT_GUIDE: {"zh": "投资指南", "en": "Investment guide"},
    ArticleKind.APPLICATION_MATERIALS: {"zh": "申办资料", "en": "Application materials"},
    ArticleKind.FEES: {"zh": "收费标准", "en": "Fees"},
    ArticleKind.DEPARTMENT_DUTIES: {"zh": "部门职能", "en": "Duties of departments"},
    ArticleKind.SERVICE_GUIDE: {"zh": "办事指南", "en": "Service guide"},
}


def _storable(value: str) -> str:
    # Controls cannot be spoken or printed; PostgreSQL refuses NUL and halves of surrogate pairs.
    if any(unicodedata.category(char) in ("Cc", "Cs") and char != "\n" for char in value):
        raise ValueError("no control characters; only line ends may stand in it")
    return value


def _one_line(value: str) -> str:
    if "\n" in value:
        raise ValueError("must stand on one line")
    return _storable(value)


def _written_out(value: object) -> object:
    # Pydantic would take a number, or a string of digits, for seconds since 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and "-" not in value[1:]):
        raise ValueError("write a day as YYYY-MM-DD")
    return value


def _told(least: int, most: int, *, lines: bool = False) -> Any:
    """What OpenAPI says of a text. Only said: the validators' messages are easier to read."""
    # As JSON Schema's regular expressions are written.
    banned = r"\x00-\x09\x0b-\x1f\x7f-\x9f" if lines else r"\x00-\x1f\x7f-\x9f"
    some = rf"[^\s{banned}][^{banned}]*" if least else ""
    return Field(
        json_schema_extra={
            "minLength": least,
            "maxLength": most,
            "pattern": rf"^[^{banned}]*{some}$",
        }
    )


def _text(least: int, most: int) -> StringConstraints:
    return StringConstraints(min_length=least, max_length=most, strip_whitespace=True)


ArticleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
PromptName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Title = Annotated[str, _text(1, MOST_TITLE), AfterValidator(_one_line), _told(1, MOST_TITLE)]
Body = Annotated[
    str, _text(0, MOST_BODY), AfterValidator(_storable), _told(0, MOST_BODY, lines=True)
]
SpokenText = Annotated[
    str, _text(1, MOST_SPOKEN), AfterValidator(_storable), _told(1, MOST_SPOKEN, lines=True)
]
Line = Annotated[str, _text(1, MOST_FIELD), AfterValidator(_one_line), _told(1, MOST_FIELD)]
OptionalLine = Annotated[str, _text(0, MOST_FIELD), AfterValidator(_one_line), _told(0, MOST_FIELD)]
Conditions = Annotated[
    str, _text(0, MOST_SPOKEN), AfterValidator(_storable), _told(0, MOST_SPOKEN, lines=True)
]
ReasonText = Annotated[
    str, _text(1, MOST_REASON), AfterValidator(_storable), _told(1, MOST_REASON, lines=True)
]
Department = Annotated[
    str, _text(1, MOST_DEPARTMENT), AfterValidator(_one_line), _told(1, MOST_DEPARTMENT)
]
Keyword = Annotated[str, _text(1, MOST_KEYWORD), AfterValidator(_one_line), _told(1, MOST_KEYWORD)]
Day = Annotated[date, BeforeValidator(_written_out), Field(ge=FIRST_DAY, le=LAST_DAY)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceGuide(_Part):
    """办事指南: what a citizen needs to know before going there. `steps` cannot be empty."""

    conditions: Conditions = ""
    materials: Annotated[tuple[Line, ...], Field(max_length=MOST_LINES)] = ()
    steps: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MOST_LINES)]
    place: OptionalLine = ""
    time: OptionalLine = ""
    fee: OptionalLine = ""
    contact: OptionalLine = ""


class ArticleContent(_Part):
    """An article in one language.

    `body` is read on a screen or a fax; on the phone callers hear the recorded `prompt` of the
    prompt library, or else `spoken`, or else what `body` and `guide` give.
    """

    title: Title
    body: Body = ""
    spoken: SpokenText | None = None
    prompt: PromptName | None = None
    guide: ServiceGuide | None = None

    @model_validator(mode="after")
    def _one_way_to_speak(self) -> Self:
        if self.spoken is not None and self.prompt is not None:
            raise ValueError("give `spoken` or `prompt`, not both")
        return self


class ArticleEdition(_Part):
    """All of an article that is approved and published together.

    `valid_from` and `valid_until` are days in the city, both included; without `valid_from` it
    holds from the day it is published on, without `valid_until` until it is withdrawn.
    """

    kind: ArticleKind
    department: Department
    content: Annotated[
        dict[Language, ArticleContent],
        Field(
            min_length=1,
            max_length=MOST_LANGUAGES,
            json_schema_extra={"additionalProperties": False},
        ),
    ]
    keywords: Annotated[tuple[Keyword, ...], Field(max_length=MOST_KEYWORDS)] = ()
    valid_from: Day | None = None
    valid_until: Day | None = None


class Edition(ArticleEdition):
    """Fields that fit together: what is kept."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for language, content in self.content.items():
            if (content.guide is not None) != (self.kind is ArticleKind.SERVICE_GUIDE):
                raise ValueError(
                    f"content.{language}.guide: a service_guide has one, no other kind has"
                )
            if content.guide is None and not content.body:
                raise ValueError(f"content.{language}.body: there must be something to read")
            spoken = as_speech(content, language)
            if isinstance(spoken, str) and len(spoken) > MOST_SPOKEN:
                raise ValueError(
                    f"content.{language}: read aloud this has {len(spoken)} characters, at most "
                    f"{MOST_SPOKEN}: write a shorter text for the phone in `spoken`"
                )
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until: must not lie before valid_from")
        return self

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """Every (language, text) that must be turned into audio before a caller may choose it."""
        for language, content in self.content.items():
            spoken = as_speech(content, language)
            yield language, content.title  # a menu of articles reads titles
            if isinstance(spoken, str):
                yield language, spoken

    @property
    def prompts(self) -> Iterator[tuple[str, str]]:
        """Every (language, prompt name) it plays instead of speaking."""
        for language, content in self.content.items():
            if content.prompt is not None:
                yield language, content.prompt

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)


class InvalidArticle(InvalidFields):
    """The article breaks rules; each is named with its field."""

    slug = "invalid-article"


_PLACE = re.compile(r"(?:Value error, )?((?:content|valid_until)[a-z._]*): (.*)", re.S)


def parse_edition(document: object) -> Edition:
    """Read an edition. Raises `InvalidArticle` naming every field and its rule."""
    try:
        return Edition.model_validate(document)
    except ValidationError as exc:
        raise InvalidArticle([_problem(error) for error in exc.errors(include_url=False)]) from exc


def _problem(error: Mapping[str, Any]) -> tuple[str, str]:
    place = ".".join(str(part) for part in error["loc"] if part != "[key]")
    rule = str(error["msg"])
    # Rules that concern several fields name the one to look at themselves.
    if match := _PLACE.fullmatch(rule):
        return match[1], match[2]
    return place[:200] or "body", rule.removeprefix("Value error, ")


# How long it holds ------------------------------------------------------------------------------


class Validity(Protocol):
    """Anything that holds between two days of the city, both included."""

    @property
    def valid_from(self) -> date: ...
    @property
    def valid_until(self) -> date | None: ...


def city_day(at: datetime, zone: ZoneInfo = CITY_ZONE) -> date:
    """The day it is in the city at this moment (aware)."""
    return at.astimezone(zone).date()


def is_playable(version: Validity, at: datetime, zone: ZoneInfo = CITY_ZONE) -> bool:
    """Whether a published version may be played, shown and faxed at this moment (aware)."""
    today = city_day(at, zone)
    return version.valid_from <= today and (
        version.valid_until is None or today <= version.valid_until
    )


def moments(version: Validity, zone: ZoneInfo = CITY_ZONE) -> tuple[datetime, datetime | None]:
    """The same as moments: the midnight it begins with, and the one that is no more of it."""

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time(), zone)

    until = version.valid_until
    ends = None if until is None else midnight(until + timedelta(days=1))
    return midnight(version.valid_from), ends


# What is said on the phone ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorded:
    """A prompt of the library, played instead of speaking."""

    prompt: str


#: Text to be spoken, or a recorded prompt.
Speech = str | Recorded

#: What the parts of a guide are called; other languages take the English words, so they had
#: better bring a `spoken` text of their own.
_HEADINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "zh": {
        "conditions": "办理条件",
        "materials": "所需材料",
        "steps": "办理流程",
        "place": "办理地点",
        "time": "办理时间",
        "fee": "收费标准",
        "contact": "咨询方式",
    },
    "en": {
        "conditions": "Conditions",
        "materials": "Documents to bring",
        "steps": "Steps",
        "place": "Place",
        "time": "Opening hours",
        "fee": "Fee",
        "contact": "Contact",
    },
}
_GUIDE_PARTS: Final = ("conditions", "materials", "steps", "place", "time", "fee", "contact")
_SENTENCE_ENDS: Final = tuple("。！？.!?；;：:")


def headings(language: str) -> Mapping[str, str]:
    """What the parts of a guide are called in this language."""
    return _HEADINGS.get(language, _HEADINGS["en"])


def guide_parts(guide: ServiceGuide, language: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """The parts of a guide that say something: heading, lines, whether the lines are numbered."""
    for name in _GUIDE_PARTS:
        value = getattr(guide, name)
        if value:
            lines = tuple(value.split("\n")) if isinstance(value, str) else tuple(value)
            numbered = name in ("materials", "steps") and len(lines) > 1
            yield headings(language)[name], lines, numbered


def as_speech(content: ArticleContent, language: str) -> Speech:
    """What a caller hears: the recorded prompt, the text written for the phone, or the whole."""
    if content.prompt is not None:
        return Recorded(content.prompt)
    if content.spoken is not None:
        return content.spoken
    chinese = language == "zh"
    sentences = [_sentence(line, chinese) for line in content.body.split("\n") if line.strip()]
    if content.guide is not None:
        for heading, lines, numbered in guide_parts(content.guide, language):
            said = [
                _numbered(number, line.strip(), chinese) if numbered else line.strip()
                for number, line in enumerate(lines, 1)
                if line.strip()
            ]
            joint, colon = ("；", "：") if chinese else ("; ", ": ")
            parts = joint.join(part.rstrip("。.；;") for part in said)
            sentences.append(_sentence(f"{heading}{colon}{parts}", chinese))
    return ("" if chinese else " ").join(sentences)


def _numbered(number: int, line: str, chinese: bool) -> str:
    # Chinese digits: a voice reads “1.” as a decimal.
    return f"第{chinese_number(number)}，{line}" if chinese else f"{number}, {line}"


def _sentence(line: str, chinese: bool) -> str:
    line = line.strip()
    return line if line.endswith(_SENTENCE_ENDS) else line + ("。" if chinese else ".")


def chinese_number(number: int) -> str:
    """一 to 九十九."""
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    if not tens:
        return digits[ones]
    return ("" if tens == 1 else digits[tens]) + "十" + (digits[ones] if ones else "")
