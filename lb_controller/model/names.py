"""Every public string: API groups, kinds, annotations, labels, condition types. Decided here and nowhere else.

HeraldLB reads two sets of names for one model: its own group and annotations, and MetalLB's, so that MetalLB's
manifests work unchanged. Where several annotations say the same thing, the first of the listed keys wins.
"""

from typing import Final

GROUP: Final = "heraldlb.io"
VERSION: Final = "v1beta1"
METALLB_GROUP: Final = "metallb.io"

FIELD_MANAGER_CONTROLLER: Final = "heraldlb-controller"
FIELD_MANAGER_SPEAKER: Final = "heraldlb-speaker"

# The admission webhook: Service and Secret (of its certificates) of one name, and its configuration.
WEBHOOK_SERVICE: Final = "heraldlb-webhook"
WEBHOOK_CONFIGURATION: Final = "heraldlb"

KIND_IP_ADDRESS_POOL: Final = "IPAddressPool"
KIND_L2_ADVERTISEMENT: Final = "L2Advertisement"
KIND_BGP_ADVERTISEMENT: Final = "BGPAdvertisement"
KIND_BGP_PEER: Final = "BGPPeer"
KIND_BFD_PROFILE: Final = "BFDProfile"
KIND_COMMUNITY: Final = "Community"

# MetalLB's group has the same kinds in the same version, but for this one (which it serves as v1beta1 too).
METALLB_VERSIONS: Final = {KIND_BGP_PEER: "v1beta2"}

# Plural resource names, as they stand in URLs and RBAC rules.
PLURALS: Final = {
    KIND_IP_ADDRESS_POOL: "ipaddresspools",
    KIND_L2_ADVERTISEMENT: "l2advertisements",
    KIND_BGP_ADVERTISEMENT: "bgpadvertisements",
    KIND_BGP_PEER: "bgppeers",
    KIND_BFD_PROFILE: "bfdprofiles",
    KIND_COMMUNITY: "communities",
}

# Status only: one for each node, written by its speaker. Not among the configuration's kinds.
KIND_BGP_NODE_STATUS: Final = "BGPNodeStatus"
PLURAL_BGP_NODE_STATUS: Final = "bgpnodestatuses"

# Annotations on Services. Order is precedence: ours, MetalLB's, MetalLB's deprecated prefix.
ANNOTATION_ADDRESS_POOL: Final = (
    "heraldlb.io/address-pool",
    "metallb.io/address-pool",
    "metallb.universe.tf/address-pool",
)
ANNOTATION_ADDRESSES: Final = (
    "heraldlb.io/loadBalancerIPs",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
)
ANNOTATION_SHARING_KEY: Final = (
    "heraldlb.io/allow-shared-ip",
    "metallb.io/allow-shared-ip",
    "metallb.universe.tf/allow-shared-ip",
)
# What a Service says about its own BGP routes; ours alone, MetalLB has none. Allowed by BGPAdvertisement.
ANNOTATION_BGP_MED: Final = "heraldlb.io/bgp-med"
ANNOTATION_BGP_PREPEND: Final = "heraldlb.io/bgp-prepend"
ANNOTATION_BGP_COMMUNITIES: Final = "heraldlb.io/bgp-communities"
DEPRECATED_PREFIX: Final = "metallb.universe.tf/"
# On an L2Advertisement (ours or MetalLB's): each value that is new moves its addresses to their first nodes.
ANNOTATION_REBALANCE: Final = "heraldlb.io/rebalance"
ANNOTATION_ASSIGNED_FROM_POOL: Final = "heraldlb.io/assigned-from-pool"
# On Services with a sharing key: under which terms its addresses were found to be free for it (allocation.sharing).
ANNOTATION_SHARING_DIGEST: Final = "heraldlb.io/sharing-digest"
ANNOTATION_METALLB_POOL: Final = "metallb.io/ip-allocated-from-pool"

CONDITION_ASSIGNED: Final = "heraldlb.io/Assigned"
CONDITION_ANNOUNCED: Final = "heraldlb.io/Announced"
# Condition on our own objects: the object was understood and is in use.
CONDITION_ACCEPTED: Final = "Accepted"
# Condition on a BGPPeer: its sessions on all nodes are established.
CONDITION_ESTABLISHED: Final = "Established"

# On our Lease, while another controller runs whose Services ours leaves alone: the pods of that controller.
ANNOTATION_SHADOW_OF: Final = "heraldlb.io/shadow-of"

# How MetalLB's pods are found: the labels of its chart, and those of its manifests; %s is a list of components.
METALLB_POD_SELECTORS: Final = (
    "app.kubernetes.io/name=metallb,app.kubernetes.io/component in (%s)",
    "app=metallb,component in (%s)",
)
METALLB_CLASS_FLAG: Final = "--lb-class="

LABEL_EXCLUDE_NODE: Final = "node.kubernetes.io/exclude-from-external-load-balancers"
LABEL_HOSTNAME: Final = "kubernetes.io/hostname"
LABEL_SERVICE_NAME: Final = "kubernetes.io/service-name"
NODE_CONDITION_READY: Final = "Ready"
NODE_CONDITION_NETWORK_UNAVAILABLE: Final = "NetworkUnavailable"
