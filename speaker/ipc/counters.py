"""The counters that announcer and BGP supervisor report; the speaker shows them: name -> (help, label name or "")."""

from typing import Final

ANNOUNCER: Final = {
    "heraldlb_layer2_requests_received_total": (
        "ARP requests and neighbour solicitations for owned addresses",
        "family",
    ),
    "heraldlb_layer2_responses_sent_total": ("ARP replies and neighbour advertisements sent in answer", "family"),
    "heraldlb_layer2_gratuitous_sent_total": ("gratuitous ARP and unsolicited neighbour advertisements sent", "family"),
    "heraldlb_layer2_dropped_total": ("frames that were not answered, by reason", "reason"),
    "heraldlb_layer2_owned_addresses": ("addresses that this node owns now", ""),
    "heraldlb_layer2_addresses_away": ("addresses that this node owns without being their first candidate", ""),
    "heraldlb_layer2_addresses_without_heir": ("addresses that should go to another node, and none takes them", ""),
    "heraldlb_layer2_addresses_quarantined": (
        "new addresses that are not announced, because a foreign host has them",
        "",
    ),
    "heraldlb_layer2_takeovers_total": ("addresses that this node took, by cause", "cause"),
    "heraldlb_layer2_foreign_claims_total": ("claims of foreign hosts to addresses that this node owns", ""),
    "heraldlb_layer2_detection_seconds": ("how long the last death took to be found, from the last sign of life", ""),
    "heraldlb_ownership_dropped_total": ("datagrams of the ownership protocol not heeded, by reason", "reason"),
    "heraldlb_announcer_late_total": ("how often the process slept so long that it distrusted itself", ""),
    "heraldlb_bfd_session_up": ("1 when the BFD session is up", "peer"),
    "heraldlb_bfd_control_packet_input_total": ("BFD control packets received", "peer"),
    "heraldlb_bfd_control_packet_output_total": ("BFD control packets sent", "peer"),
    "heraldlb_bfd_session_up_events_total": ("how often the BFD session came up", "peer"),
    "heraldlb_bfd_session_down_events_total": ("how often the BFD session went down", "peer"),
    "heraldlb_bfd_dropped_total": ("BFD control packets discarded or not sent, by reason", "reason"),
    "heraldlb_announcer_loop_lag_seconds": ("by how much the announcer's loop was late last", ""),
}

BGP: Final = {
    "heraldlb_bgp_session_down_total": ("how often the session with the peer was lost or an attempt failed", "peer"),
    "heraldlb_bgp_commands_answered_total": ("command lines that the BGP daemon answered", ""),
    "heraldlb_bgp_commands_refused_total": ("command lines that the BGP daemon refused", ""),
    "heraldlb_bgp_unknown_events_total": ("lines of the BGP daemon that were not understood, by kind", "kind"),
    **{
        f"heraldlb_bgp_{kind}s_{way}_total": (f"BGP {kind.upper()} messages {way}, by peer", "peer")
        for kind in ("open", "update", "keepalive", "notification")
        for way in ("sent", "received")
    },
    "heraldlb_bgp_daemon_starts_total": ("how often the BGP daemon was started", ""),
}
