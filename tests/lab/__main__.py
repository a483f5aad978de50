"""python -m tests.lab: start, look into and remove a lab by hand."""

import argparse
import os
import sys
from collections.abc import Callable

from tests.lab import images, packages, programs
from tests.lab.lab import Lab
from tests.lab.shell import LabError
from tests.lab.wait import NotWithin

PASSING = ("kubectl", "helm", "vtysh", "exec", "install")  # their words are not ours to read


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    top.add_argument("--name", default="default", help="the lab's name; several may run at once")
    commands = top.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the lab; removes first what a killed run left")
    up.add_argument("--nodes", type=int, default=3, help="how many nodes (default 3)")
    up.add_argument("--api-only", action="store_true", help="etcd, kube-apiserver and controller-manager only")
    up.add_argument("--speakers", type=int, default=0, help="API only, and so many nodes that run HeraldLB by hand")
    up.add_argument("--router", action=argparse.BooleanOptionalAction, default=True, help="FRR and a host behind it")
    commands.add_parser("down", help="remove everything that the lab made")
    commands.add_parser("status", help="what runs in which namespace")
    commands.add_parser("load", help="build HeraldLB's image and give it to every node; prints its name")
    commands.add_parser(
        "install", help="install or upgrade the chart with this checkout's image; helm gets what follows: --set ..."
    )
    build = commands.add_parser("build", help="compile, or make the image; prints where it is")
    build.add_argument("what", nargs="*", default=["all"], help="all, api, helm, image")
    for name, text in (("kubectl", "kubectl as administrator"), ("helm", "helm"), ("vtysh", "commands to the router")):
        commands.add_parser(name, help=text)
    run = commands.add_parser("exec", help="run a command in a namespace: exec cli curl ...")
    run.add_argument("member")
    logs = commands.add_parser("logs", help="the end of a program's log, or the list of logs")
    logs.add_argument("program", nargs="?")
    return top


def build(what: list[str]) -> None:
    packages.install()
    if "image" in what:
        print(images.image().name)
        return
    groups = {"all": programs.CLUSTER, "api": programs.API_ONLY, "helm": ("helm",)}
    for name in what:
        if name not in groups:
            raise LabError(f"cannot build {name!r}; choose from {', '.join([*groups, 'image'])}")
        print(programs.build(groups[name]))


def replace(command: list[str]) -> None:
    os.execvp(command[0], command)


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our own arguments, and the words behind a command that passes them on unread."""
    for position, word in enumerate(arguments):
        if word in PASSING:
            cut = position + (2 if word == "exec" else 1)
            return arguments[:cut], arguments[cut:]
    return arguments, []


def main(arguments: list[str]) -> int:
    arguments, words = split(arguments)
    options = parser().parse_args(arguments)
    options.words = words
    COMMANDS[options.command](Lab(options.name), options)
    return 0


def up(lab: Lab, options: argparse.Namespace) -> None:
    nodes = 0 if options.api_only or options.speakers else options.nodes
    lab.up(nodes=nodes, bare_nodes=options.speakers, router=options.router and not options.api_only)
    if options.speakers:
        lab.start_speakers()
    print(lab.kubeconfig)


def status(lab: Lab, _: argparse.Namespace) -> None:
    for member in lab.space.existing():
        print(member)
        for pid, words in sorted(lab.space.processes(member).items()):
            print(f"  {pid:7d} {words[:150]}")


def kubectl(lab: Lab, options: argparse.Namespace) -> None:
    replace(lab.space.enter("cp", lab.binaries / "kubectl", f"--kubeconfig={lab.kubeconfig}", *options.words))


COMMANDS: dict[str, Callable[[Lab, argparse.Namespace], object]] = {
    "up": up,
    "down": lambda lab, _: lab.down(),
    "build": lambda _, options: build(options.what),
    "load": lambda lab, _: print(lab.load_image()),
    "install": lambda lab, options: lab.install_chart(*options.words),
    "status": status,
    "logs": lambda lab, options: logs(lab, options.program),
    "kubectl": kubectl,
    "helm": lambda lab, options: print(lab.helm(*options.words)),
    "vtysh": lambda lab, options: print(lab.vtysh(" ".join(options.words))),
    "exec": lambda lab, options: replace(lab.space.enter(options.member, *options.words)),
}


def logs(lab: Lab, program: str | None) -> None:
    found = {path.stem: path for path in sorted(lab.folder.glob("*.log"))}
    if program is None:
        print("\n".join(found))
        return
    if program not in found:
        raise LabError(f"no log {program!r}; there are {', '.join(found)}")
    print(found[program].read_text(errors="replace")[-20000:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (LabError, NotWithin, OSError) as error:
        sys.exit(f"lab: {error}")
    except KeyboardInterrupt:
        sys.exit("lab: interrupted; `down` removes what was made, and so does the next `up`")
