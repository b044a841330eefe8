"""What is done with flows: drafted, checked, published, activated. One transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr import store
from callcenter.ivr.check import Finding, Surroundings, check, errors_in
from callcenter.ivr.model import Flow, names_outside, parse_flow, texts_of
from callcenter.ivr.resources import Resources, read_resources
from callcenter.ivr.store import Activation, FlowRow, VersionRow
from callcenter.knowledge.edition import CITY_ZONE
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, InvalidField, NotFound, Stale
from callcenter.platform.news import announce
from callcenter.prompts.library import PromptLibrary


class NoSuchFlow(NotFound):
    """There is no flow of that name."""

    slug = "no-such-flow"


class NoSuchVersion(NotFound):
    """This flow has no such version."""

    slug = "no-such-version"


class NoDraft(NotFound):
    """This flow has no draft yet: PUT one."""

    slug = "no-draft"


class FlowExists(Conflict):
    """There is a flow of that name already."""

    slug = "flow-exists"


class FlowHasErrors(InvalidField):
    """The check found errors: callers will not hear this flow until they are mended."""

    slug = "flow-has-errors"

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        first, *_ = findings
        super().__init__(_place(first), first.message)
        self.args = (
            "The check found errors: "
            + "; ".join(f"{finding.code} at {_place(finding)}" for finding in findings[:50]),
        )

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        return tuple((_place(f), f"{f.code}: {f.message}") for f in self.findings)


def _place(finding: Finding) -> str:
    return "entry" if finding.node is None else f"nodes.{finding.node}"


@dataclass(frozen=True, slots=True)
class Published:
    """A version and whether callers hear it from now on."""

    version: VersionRow
    in_force: bool


@dataclass(frozen=True, slots=True)
class DraftRead:
    """A draft with its edit version (ETag)."""

    definition: dict[str, Any]
    edit_version: int


class FlowService:
    """Use cases of the REST API and of the start of an instance."""

    def __init__(
        self,
        database: Database,
        library: PromptLibrary,
        clock: Clock,
        *,
        zone: ZoneInfo = CITY_ZONE,
    ) -> None:
        self._database = database
        self._zone = zone
        self._library = library
        self._clock = clock

    async def create(self, name: str, title: str) -> FlowRow:
        """A flow without a draft. Raises `FlowExists`."""
        try:
            async with self._database.transaction() as connection:
                await store.add_flow(connection, name, title, self._clock())
                await announce(connection, "flow", name)
        except IntegrityError as exc:
            raise FlowExists from exc
        return await self.flow(name)

    async def flows(self, after: str | None, limit: int) -> Sequence[FlowRow]:
        async with self._database.transaction() as connection:
            return await store.flows_after(connection, after, limit)

    async def flow(self, name: str) -> FlowRow:
        """Raises `NoSuchFlow`."""
        async with self._database.transaction() as connection:
            return await _flow(connection, name)

    async def draft(self, name: str) -> DraftRead:
        """The draft as it was written. Raises `NoSuchFlow`, `NoDraft`."""
        async with self._database.transaction() as connection:
            return await _draft(connection, name)

    async def edit(
        self, name: str, document: object, *, based_on: int | None, by: str
    ) -> DraftRead:
        """Replace the draft, whatever the check will say of it.

        Raises `InvalidFlow` when it cannot be read as a flow, `Stale` when somebody edited it after
        `based_on` (None: any version), `NoSuchFlow`.
        """
        flow = parse_flow(document)
        definition = flow.as_json()
        async with self._database.transaction() as connection:
            current = await store.draft_of(connection, name, for_update=True)
            if current is None:
                raise NoSuchFlow
            if based_on is not None and based_on != current.version:
                raise Stale
            version = await store.set_draft(connection, name, definition, by, self._clock())
            await store.remember_references(connection, name, 0, names_outside(flow))
        return DraftRead(definition, version)

    async def check_draft(self, name: str) -> list[Finding]:
        """Everything that is wrong with the draft. Raises `NoSuchFlow`, `NoDraft`."""
        draft = await self.draft(name)
        return check(parse_flow(draft.definition), await self._surroundings(name))

    async def publish(self, name: str, *, comment: str, by: str) -> Published:
        """Make the draft a version and lead callers through it from now on.

        Its audio is made and checked first, outside of any transaction: a version is never active
        without it. Raises `FlowHasErrors`, `NotRendered`, `Stale` when the draft was edited
        meanwhile, `NoSuchFlow`, `NoDraft`.
        """
        draft = await self.draft(name)
        flow = parse_flow(draft.definition)
        await self._make_ready(name, flow)
        now = self._clock()
        async with self._database.transaction() as connection:
            current = await store.draft_of(connection, name, for_update=True)
            if current is None:
                raise NoSuchFlow
            if current.version != draft.edit_version:
                raise Stale
            number = await store.add_version(
                connection, name, flow.as_json(), comment=comment, by=by, at=now
            )
            await store.remember_references(connection, name, number, names_outside(flow))
            await store.activate(connection, name, number, by=by, why=comment, at=now)
            await announce(connection, "flow", name)
            version = await store.version_of(connection, name, number)
        assert version is not None
        return Published(version, in_force=True)

    async def activate(self, name: str, number: int, *, by: str, why: str = "") -> Published:
        """Lead callers through an older (or newer) version from now on.

        It is checked again: a queue it names may be gone. Raises `NoSuchVersion`, `FlowHasErrors`,
        `NotRendered`.
        """
        version = await self.version(name, number)
        await self._make_ready(name, parse_flow(version.definition))
        async with self._database.transaction() as connection:
            await store.activate(connection, name, number, by=by, why=why, at=self._clock())
            await announce(connection, "flow", name)
        return Published(version, in_force=True)

    async def activations(self, name: str, before: int | None, limit: int) -> Sequence[Activation]:
        """What callers heard when, youngest first. Raises `NoSuchFlow`."""
        async with self._database.transaction() as connection:
            await _flow(connection, name)
            return await store.activations_before(connection, name, before, limit)

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[VersionRow]:
        """Newest first. Raises `NoSuchFlow`."""
        async with self._database.transaction() as connection:
            await _flow(connection, name)
            return await store.versions_before(connection, name, before, limit)

    async def version(self, name: str, number: int) -> VersionRow:
        """Raises `NoSuchFlow`, `NoSuchVersion`."""
        async with self._database.transaction() as connection:
            await _flow(connection, name)
            version = await store.version_of(connection, name, number)
        if version is None:
            raise NoSuchVersion
        return version

    async def render_active(self) -> int:
        """See that everything callers can hear now has its audio (a new machine, a new voice); how
        many texts were spoken. At start, before the first call.

        Raises `NotRendered`, `SpeechFailed`.
        """
        async with self._database.transaction() as connection:
            flows = [parse_flow(one) for one in await store.active_definitions(connection)]
            resources = await self._resources(connection, flows)
        texts = {pair for flow in flows for pair in texts_of(flow)}
        return await self._library.ensure(sorted(texts | resources.texts()))

    async def _make_ready(self, name: str, flow: Flow) -> None:
        errors = errors_in(check(flow, await self._surroundings(name)))
        if errors:
            raise FlowHasErrors(errors)
        async with self._database.transaction() as connection:
            resources = await self._resources(connection, [flow])
        await self._library.ensure(sorted({*texts_of(flow), *resources.texts()}))

    async def _resources(self, connection: AsyncConnection, flows: Sequence[Flow]) -> Resources:
        return await read_resources(connection, flows, at=self._clock(), zone=self._zone)

    async def _surroundings(self, name: str) -> Surroundings:
        prompts = await self._library.available()
        async with self._database.transaction() as connection:
            return Surroundings(
                queues=await store.queue_names(connection),
                prompts=prompts,
                languages=await store.line_languages(connection, name),
            )


async def _flow(connection: AsyncConnection, name: str) -> FlowRow:
    flow = await store.flow_named(connection, name)
    if flow is None:
        raise NoSuchFlow
    return flow


async def _draft(connection: AsyncConnection, name: str) -> DraftRead:
    draft = await store.draft_of(connection, name)
    if draft is None:
        raise NoSuchFlow
    if draft.definition is None:
        raise NoDraft
    return DraftRead(dict(draft.definition), draft.version)
