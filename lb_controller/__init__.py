"""HeraldLB's controller: gives Services of type LoadBalancer external addresses out of IPAddressPools."""
