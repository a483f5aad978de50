"""FRR as the router `rtr`: zebra, bgpd and bfdd, which learn routes from the nodes and give them to the kernel."""

import shutil
from pathlib import Path

from tests.lab.namespaces import LAN4, LAN6, Namespaces
from tests.lab.shell import run
from tests.lab.wait import eventually

PROGRAMS = Path("/usr/lib/frr")
# A killed FRR daemon leaves its log buffer in /var/tmp/frr: give it a /var/tmp that ends with it.
PRIVATE = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /var/tmp && exec "$@"', "private")
ROUTER_ASN, NODE_ASN = 64500, 64512
CONFIGURATION = f"""frr defaults datacenter
hostname router
router bgp {ROUTER_ASN}
 bgp router-id {LAN4}.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor NODES peer-group
 neighbor NODES remote-as external
 neighbor NODES timers 3 9
 bgp listen range {LAN4}.0/24 peer-group NODES
 neighbor NODES6 peer-group
 neighbor NODES6 remote-as external
 neighbor NODES6 timers 3 9
 bgp listen range {LAN6}::/64 peer-group NODES6
 address-family ipv4 unicast
  neighbor NODES activate
  maximum-paths 16
 exit-address-family
 address-family ipv6 unicast
  neighbor NODES activate
  neighbor NODES6 activate
  maximum-paths 16
 exit-address-family
"""


class Router:
    """The FRR instance of one lab; several run side by side under different instance names."""

    def __init__(self, space: Namespaces, lab_folder: Path) -> None:
        self.space, self.lab_folder = space, lab_folder
        self.instance = space.prefix.strip("-")
        self.folders = (Path("/etc/frr") / self.instance, Path("/run/frr") / self.instance)

    def start(self) -> None:
        etc, state = self.folders
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
        (etc / "frr.conf").write_text(CONFIGURATION)
        (etc / "vtysh.conf").touch()
        run(["chown", "-R", "frr:frr", etc, state])
        self.space.run(
            "rtr", "sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1"
        )
        for program in ("zebra", "bfdd", "bgpd"):
            command: list[str | Path] = [*PRIVATE, PROGRAMS / program, "-N", self.instance, "-f", etc / "frr.conf"]
            self.space.start("rtr", command, self.lab_folder / f"{program}.log")
            eventually((state / f"{program}.vty").exists, within=20, what=f"{program} of the router")

    def vtysh(self, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        return self.space.run("rtr", "vtysh", "-N", self.instance, *words)

    def remove(self) -> None:
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
