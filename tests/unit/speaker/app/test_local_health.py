"""kube-proxy is asked on the healthCheckNodePort until it says yes; the server here stands where kube-proxy listens."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from lb_controller.model.address import parse_address
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from speaker.app.local_health import LocalHealthWatch

KEY = ServiceKey("default", "web")
HERE = Endpoint("n1")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def listening(statuses: list[int]) -> tuple[web.AppRunner, int]:
    """A server that says each status once, and the last one for ever; and its port."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=statuses.pop(0) if len(statuses) > 1 else statuses[0])

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, runner.addresses[0][1]


def opened(statuses: list[int], *, wait: float, nodes: dict[str, Node], forget: bool = False) -> list[ServiceKey]:
    """The Services that were opened once kube-proxy has said what it has to say; no statuses: it does not listen."""

    async def main() -> list[ServiceKey]:
        runner, port = await listening(statuses or [200])
        if not statuses:
            await runner.cleanup()
        found: list[ServiceKey] = []
        watch = LocalHealthWatch("n1", lambda: nodes, found.append)
        watch.wait = wait
        watch.begin()
        service = Service(key=KEY, uid="u", traffic_policy=TrafficPolicy.LOCAL, health_check_node_port=port)
        task = asyncio.create_task(watch.run())
        assert not watch.marked(KEY, service, (HERE,))[0].programmed
        if forget:
            await until(lambda: len(statuses) == 1)
            assert watch.marked(KEY, None, (HERE,))[0].programmed
        else:
            await until(lambda: bool(found))
            assert watch.marked(KEY, service, (HERE,))[0].programmed
        assert not task.done()
        task.cancel()
        await runner.cleanup()
        return found

    return asyncio.run(main())


def test_a_service_is_opened_as_soon_as_kube_proxy_says_yes() -> None:
    statuses = [503, 503, 200]
    assert opened(statuses, wait=60, nodes={"n1": Node(name="n1", addresses=(parse_address("127.0.0.1"),))}) == [KEY]
    assert statuses == [200]


def test_where_nobody_listens_it_is_opened_after_the_wait() -> None:
    assert opened([], wait=0.3, nodes={}) == [KEY]


def test_a_service_that_goes_while_it_is_asked_about_disturbs_nothing() -> None:
    assert opened([503, 503], wait=60, nodes={}, forget=True) == []
