"""HeraldLB's speaker: announces assigned addresses on the local link (ARP, NDP) and across routers (BGP)."""
