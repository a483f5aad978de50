"""Plays the scenarios of assignment at a real API server, before a real controller; a process inside the lab's network.

    python -m tests.e2e.player play KUBECONFIG CLASS NAME...     prints a JSON line for each: what was not as expected
    python -m tests.e2e.player lay KUBECONFIG CLASS NAME         applies the first stage, while no controller runs
    python -m tests.e2e.player laid KUBECONFIG CLASS NAME        plays on from there

Only what the API shows is looked at. A stage is done when every Service shows what is expected, and still does after
the controller has answered one Service more, in the namespace `barrier`: so a stage that expects no change is waited
for as well. Objects of one stage come one after another: where there are several, Events beside those that are
expected may tell what held in between. CLASS is what the controller serves.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from lb_controller.kube.client import Api, Query, connect
from lb_controller.kube.errors import ApiError, NotFound
from lb_controller.kube.resources import EVENTS, NAMESPACES, SERVICES, Resource, custom, metallb
from lb_controller.model import names
from tests.support.scenarios import FOLDER, Expected, Manifest, Scenario, Stage, load, place

WITHIN = 10.0  # seconds for a stage
EVERY = 0.02
MANAGER = "player"
METALLB = "metallb-system"
BARRIER = "barrier"  # the namespace of the Services that are asked in between
NOWHERE = "a-pool-that-nobody-has"
Item = dict[str, Any]


class Unlike(Exception):
    """What was seen is not what was expected."""


class Player:
    """One API server with a controller before it."""

    def __init__(self, api: Api, class_: str) -> None:
        self.api, self.class_ = api, class_
        self._asked = 0
        self._seen_events: Counter[tuple[str, str]] = Counter()

    async def lay(self, scenario: Scenario) -> None:
        """Apply the first stage, and look at nothing."""
        for manifest in scenario.stages[0].in_order():
            await self._apply(manifest)

    async def play(self, scenario: Scenario, *, laid: bool = False) -> None:
        """All stages; `laid` says that the first was applied. Raises Unlike, or ApiError where an object is refused."""
        self._seen_events = Counter() if laid else await self._events()
        try:
            for number, stage in enumerate(scenario.stages):
                try:
                    if by_age(scenario, number):
                        await asyncio.sleep(1.02 - time.time() % 1)
                    await self._play(stage, apply=number > 0 or not laid)
                except Unlike as error:
                    raise Unlike(f"stage {number}: {error}") from None
        finally:
            await self._clean(scenario)

    async def _play(self, stage: Stage, *, apply: bool) -> None:
        for manifest in stage.delete:
            await self.api.delete(self._path(manifest))
        for manifest in stage.in_order() if apply else ():
            await self._apply(manifest)
        await self._until(stage)
        await self._ask_in_between(names.ANNOTATION_ADDRESS_POOL[0], "UnknownPool")
        await self._until(stage)
        self._seen_events = await self._events()

    async def _until(self, stage: Stage) -> None:
        end = time.monotonic() + WITHIN
        while True:
            found, torn = await self._found(stage)
            if found == dict(stage.expected) and not torn:
                return
            if time.monotonic() > end:
                raise Unlike(torn or f"expected {dict(stage.expected)}, found {found}")
            await asyncio.sleep(EVERY)

    # --- looking

    async def _found(self, stage: Stage) -> tuple[dict[str, Expected], str]:
        """What the Services show, in the terms of the expectation, and what does not fit together in one of them.

        Services that nobody told anything are not ours.
        """
        events = await self._events() if any(wanted.events is not None for wanted in stage.expected.values()) else None
        found, torn = {}, ""
        for service in await self._list(SERVICES):
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            told = [
                entry
                for entry in service.get("status", {}).get("conditions", ())
                if entry["type"] == names.CONDITION_ASSIGNED
            ]
            if told and not name.startswith(f"{BARRIER}/"):
                wanted = stage.expected.get(name, Expected((), ""))
                found[name] = self._shown(service, told[0], wanted, events, alone=stage.changes == 1)
                if (told[0]["status"] == "True") != bool(found[name].addresses):
                    torn = f"{name}: {told[0]} beside {found[name].addresses}"
        return found, torn

    def _shown(
        self, service: Item, told: Item, wanted: Expected, events: Counter[tuple[str, str]] | None, *, alone: bool
    ) -> Expected:
        notes = service["metadata"].get("annotations", {})
        ingress = service["status"].get("loadBalancer", {}).get("ingress", ())
        news: tuple[str, ...] = ()
        if wanted.events is not None and events is not None:
            uid = service["metadata"]["uid"]
            fresh = events - self._seen_events
            news = tuple(sorted(reason for (of, reason), count in fresh.items() if of == uid for _ in range(count)))
            if as_expected(news, wanted.events, alone=alone):
                news = wanted.events
        return Expected(
            addresses=tuple(entry["ip"] for entry in ingress),
            reason=told["reason"],
            says=wanted.says if wanted.says in told["message"] else told["message"],
            pool=None if wanted.pool is None else notes.get(names.ANNOTATION_ASSIGNED_FROM_POOL, ""),
            metallb_pool=None if wanted.metallb_pool is None else notes.get(names.ANNOTATION_METALLB_POOL, ""),
            events=None if wanted.events is None else news,
        )

    async def _events(self) -> Counter[tuple[str, str]]:
        """How often each object was told each reason, by the object's uid."""
        counted: Counter[tuple[str, str]] = Counter()
        for event in await self._list(EVENTS):
            counted[event["involvedObject"].get("uid", ""), event["reason"]] += event.get("count") or 1
        return counted

    # --- acting

    async def _apply(self, manifest: Manifest) -> None:
        body = {**manifest, "metadata": {**manifest["metadata"], **self._namespace(manifest)}}
        status = body.pop("status", None)
        if manifest["kind"] == "Namespace":
            await self.api.apply(self._path(manifest), body, manager=MANAGER)
            return
        await self.api.apply(self._path(manifest), body, manager=MANAGER)
        if status is not None:
            again = {key: body[key] for key in ("apiVersion", "kind", "metadata")}
            await self.api.apply(f"{self._path(manifest)}/status", {**again, "status": status}, manager=MANAGER)

    async def _ask_in_between(self, annotation: str, reason: str) -> None:
        """Make Services, one after another, until the controller has refused one for the reason; delete each.

        One that it answers otherwise came before news that it has on another watch, such as the end of a pool.
        """
        end = time.monotonic() + WITHIN
        while (told := await self._answer_in_between(annotation, end)) != [reason]:
            if time.monotonic() > end:
                raise Unlike(f"the Service that is asked in between shows {told}, not {reason}")

    async def _answer_in_between(self, annotation: str, end: float) -> list[str]:
        """What one Service is told; nothing when that takes too long. Its Event comes after those of before."""
        self._asked += 1
        resource = Resource("", "v1", "services", BARRIER)
        name = f"b{self._asked}"
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "annotations": {annotation: NOWHERE} if annotation else {}},
            "spec": {"type": "LoadBalancer", "loadBalancerClass": self.class_, "ports": [{"port": 80}]},
        }
        uid = json.loads(await self.api.post(resource.path, body))["metadata"]["uid"]
        of_it: Query = {"fieldSelector": f"involvedObject.uid={uid}"}
        told, events = list[str](), list[Item]()
        while not events and time.monotonic() <= end:
            await asyncio.sleep(EVERY)
            found = json.loads(await self.api.get(resource.object_path(BARRIER, name)))
            told = [entry["reason"] for entry in found.get("status", {}).get("conditions", ())]
            events = json.loads(await self.api.get(EVENTS.path, of_it))["items"] if told else []
        await self.api.delete(resource.object_path(BARRIER, name))
        return told

    async def _clean(self, scenario: Scenario) -> None:
        """Everything of the scenario goes; the controller knows that, for a Service finds no pool."""
        manifests = {place(found): found for stage in scenario.stages for found in stage.apply}
        for manifest in sorted(manifests.values(), key=lambda found: found["kind"] != "Service"):
            if manifest["kind"] == "Namespace":
                bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": manifest["metadata"]["name"]}}
                await self.api.apply(self._path(manifest), bare, manager=MANAGER)
                continue
            with contextlib.suppress(NotFound):
                await self.api.delete(self._path(manifest))
        await self._ask_in_between("", "NoPool")

    # --- places

    async def _list(self, resource: Resource) -> list[Item]:
        items: list[Item] = json.loads(await self.api.get(resource.path))["items"]
        return items

    def _path(self, manifest: Manifest) -> str:
        kind, group = manifest["kind"], manifest["apiVersion"].partition("/")[0]
        name = manifest["metadata"]["name"]
        if kind == "Namespace":
            return NAMESPACES.object_path("", name)
        if kind == "Service":
            return SERVICES.object_path(place(manifest)[1], name)
        if group == names.METALLB_GROUP:
            return metallb(kind, METALLB).object_path(METALLB, name)
        return custom(kind).object_path("", name)

    def _namespace(self, manifest: Manifest) -> dict[str, str]:
        if manifest["kind"] == "Service":
            return {"namespace": place(manifest)[1]}
        of_metallb = manifest["apiVersion"].startswith(names.METALLB_GROUP)
        return {"namespace": METALLB} if of_metallb else {}


def by_age(scenario: Scenario, number: int) -> bool:
    """Whether a Service of the stage must be seen to be younger than one of before, though its name comes first.

    Its creationTimestamp says so, which has whole seconds.
    """
    names_by_stage = [
        {place(found)[1:] for found in stage.apply if found["kind"] == "Service"} for stage in scenario.stages
    ]
    before = set[tuple[str, str]]().union(*names_by_stage[:number])
    fresh = names_by_stage[number] - before
    return bool(before and fresh) and min(fresh) < max(before)


def as_expected(found: tuple[str, ...], wanted: tuple[str, ...], *, alone: bool) -> bool:
    """Events of one moment have no order; where a change was not `alone`, there may be others."""
    return Counter(found) == Counter(wanted) if alone else Counter(found) >= Counter(wanted)


def namespaces_of(scenarios: list[Scenario]) -> set[str]:
    """Those in which the Services of the scenarios are."""
    return {
        place(manifest)[1]
        for scenario in scenarios
        for stage in scenario.stages
        for manifest in (*stage.apply, *stage.delete)
        if manifest["kind"] == "Service"
    }


async def main(how: str, kubeconfig: str, class_: str, *folders: str) -> None:
    scenarios = [load(FOLDER / name) for name in folders]
    async with connect(Path(kubeconfig)) as api:
        for name in {BARRIER, METALLB, *namespaces_of(scenarios)}:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await api.apply(NAMESPACES.object_path("", name), body, manager=MANAGER)
        player = Player(api, class_)
        for scenario in scenarios:
            if how == "lay":
                await player.lay(scenario)
                continue
            begin = time.monotonic()
            try:
                await player.play(scenario, laid=how == "laid")
                why = ""
            except Unlike as error:
                why = str(error)
            except (ApiError, msgspec.MsgspecError) as error:
                why = f"{type(error).__name__}: {error}"
            seconds = round(time.monotonic() - begin, 2)
            print(json.dumps({"name": scenario.name, "why": why, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
