"""Every storage and node call of Apache Libcloud's CloudStack driver, as Debian ships it, unmodified."""

from checks import KEY, SECRET, URL, check, check_equal, check_fails, end
from libcloud.common.types import InvalidCredsError, ProviderError
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider, StorageVolumeState

GIB = 1024**3


def driver_with(secret):
    driver = get_driver(Provider.CLOUDSTACK)(key=KEY, secret=secret, url=URL, secure=False)
    driver.connection.poll_interval = 0.05
    return driver


driver = driver_with(SECRET)
check_fails("a wrong secret is refused", InvalidCredsError, "", driver_with("x" + SECRET).list_locations)

# What there is.
location = driver.list_locations()[0]
image = driver.list_images(location)[0]
check_equal("images say their hypervisor", image.extra["hypervisor"], "Simulator")
small, large = sorted(driver.list_sizes(), key=lambda size: size.ram)[:2]
check("sizes have their memory in MiB and their CPUs", small.ram >= 128 and small.extra["cpu"] >= 1)
custom = next(one for one in driver.ex_list_disk_offerings() if one.customizable)
check("a limit that is not set is -1", driver.ex_limits()["max_volumes"] == -1)
check("there are OS types", len(driver.ex_list_os_types()) > 0)
check("no project", driver.ex_list_projects() == [])

# Nodes.
node = driver.create_node(
    name="libcloud",
    size=small,
    image=image,
    location=location,
    ex_displayname="Libcloud's node ~ (é)",
    ex_userdata="user data of é",
    ex_start_vm=True,
)
check_equal("a node is made running", node.state, NodeState.RUNNING)
check("it is listed", node.id in [one.id for one in driver.list_nodes(location=location)])
found = driver.ex_get_node(node.id)
check_equal("it is found by id, with its image", found.extra["image_id"], image.id)
check_equal("and its size", found.extra["size_id"], small.id)
check("it has no network card", driver.ex_list_nics(node) == [] and found.public_ips == [])
check("it is rebooted", driver.reboot_node(node))
check_equal("it is stopped", driver.ex_stop(node), "Stopped")
check_equal("it is given another size", driver.ex_change_node_size(node, large), large.id)
check_equal("it is started", driver.ex_start(node), "Running")
check_fails(
    "a running node keeps its size",
    ProviderError,
    "it must be Stopped",
    lambda: driver.ex_change_node_size(node, small),
)
check("it carries tags", driver.ex_create_tags([node.id], "UserVm", {"for": "libcloud", "é ~*": "[a] (b)!'"}))
check_equal("which are told", driver.ex_get_node(node.id).extra["tags"], {"for": "libcloud", "é ~*": "[a] (b)!'"})
check("one is taken off", driver.ex_delete_tags([node.id], "UserVm", ["for"]))
check_equal("and gone", driver.ex_get_node(node.id).extra["tags"], {"é ~*": "[a] (b)!'"})

# Volumes.
volume = driver.create_volume(3, "libcloud é", location=location, ex_volume_type=custom.name)
check_equal("a volume is made", (volume.size, volume.state), (3, StorageVolumeState.AVAILABLE))
check("it is attached", driver.attach_volume(node, volume))
check_fails(
    "not twice", ProviderError, "attached", lambda: driver.attach_volume(node, volume)
)
attached = driver.list_volumes(node)[0]
check_equal("the node's volumes have their size in bytes", (attached.id, attached.size), (volume.id, 3 * GIB))
check_equal("and are in use", attached.state, StorageVolumeState.INUSE)
found = driver.ex_get_volume(volume.id)
check_equal("it is found by id", (found.name, found.extra["instance_id"]), ("libcloud é", node.id))
check("it carries tags", driver.ex_create_tags([volume.id], "Volume", {"kind": "data"}))
check_equal("which are told", driver.ex_get_volume(volume.id).extra["tags"], {"kind": "data"})

# Snapshots.
snapshot = driver.create_volume_snapshot(volume)
check_equal("a snapshot knows its volume", snapshot.extra["volume_id"], volume.id)
check("it is listed", snapshot.id in [one.id for one in driver.list_snapshots()])
check_fails(
    "no template is made of it: the zone has no secondary storage",
    ProviderError,
    "secondary storage",
    lambda: driver.ex_create_snapshot_template(snapshot, "libcloud", "1"),
)
check("it is deleted", driver.destroy_volume_snapshot(snapshot))

# Ends.
check_fails("a volume in use stays", ProviderError, "attached", lambda: driver.destroy_volume(volume))
check("it is detached", driver.detach_volume(volume))
check_equal("and free", driver.ex_get_volume(volume.id).state, StorageVolumeState.AVAILABLE)
check("it is deleted", driver.destroy_volume(volume))
check("and gone", volume.id not in [one.id for one in driver.list_volumes()])
check_fails(
    "a node is not made anew from its image: it has no root disk",
    ProviderError,
    "no root disk",
    lambda: driver.ex_restore(node),
)
check("a node is destroyed", driver.destroy_node(node))
check_equal("and says so", driver.ex_get_node(node.id).state, NodeState.TERMINATED)
check("and expunged", driver.destroy_node(node, ex_expunge=True))
check("and gone", node.id not in [one.id for one in driver.list_nodes()])

# What clients ask for on their way and nobody makes here: it is recorded, listed back, and forgotten.
check_equal("no network at first", driver.ex_list_networks(), [])
driver._sync_request(
    "createNetworkOffering",
    params={
        "name": "libcloud",
        "displaytext": "recorded",
        "guestiptype": "Isolated",
        "traffictype": "Guest",
        "serviceofferingid": small.id,
        "forvpc": False,
    },
)
offering = driver.ex_list_network_offerings()[0]
network = driver.ex_create_network("recorded", "libcloud", offering, location, gateway="10.1.0.1", netmask="255.255.0.0")
check_equal("a network is listed back", [one.id for one in driver.ex_list_networks()], [network.id])
node = driver.create_node("with-network", small, image, location, networks=[network], ex_start_vm=False)
nics = driver.ex_list_nics(node)
check_equal("a node lists it as a card", [one.network_id for one in nics], [network.id])
check("whose address leads nowhere", nics[0].ip_address.startswith("248.") and nics[0].mac_address == "00:00:00:00:00:00")
address = driver.ex_allocate_public_ip(location=location, network_id=network.id)
check("a public address leads nowhere", address.address.startswith("240."))
rule = driver.ex_create_firewall_rule(address, "10.0.0.0/8,192.168.0.0/16", "TCP", start_port=22, end_port=23)
check_equal("a firewall rule is listed back", [one.id for one in driver.ex_list_firewall_rules()], [rule.id])
egress = driver.ex_create_egress_firewall_rule(network.id, "10.0.0.0/8", "TCP", start_port=80, end_port=80)
check_equal("so is an egress rule", [one.id for one in driver.ex_list_egress_firewall_rules()], [egress.id])
forward = driver.ex_create_port_forwarding_rule(node, address, 80, 8080, "TCP")
found = driver.ex_list_port_forwarding_rules()[0]
check_equal("and a forwarded port", (found.id, found.public_port, found.address.address), (forward.id, "8080", address.address))
translated = driver.ex_create_ip_forwarding_rule(node, address, "TCP", 443)
check_equal("a node tells its rules", len(driver.ex_get_node(node.id).extra["port_forwarding_rules"]), 1)
group = driver.ex_create_security_group("libcloud", description="recorded")
check("a security group is listed back", group["id"] in [one["id"] for one in driver.ex_list_security_groups()])
pair = driver.create_key_pair("libcloud")
check("a key pair is made", "PRIVATE KEY" in pair.private_key)
imported = driver.import_key_pair_from_string("imported", pair.public_key)
check_equal("its public key can be imported", imported.fingerprint, pair.fingerprint)
check_equal("both are listed", sorted(one.name for one in driver.list_key_pairs()), ["imported", "libcloud"])
for one in (pair, imported):
    driver.delete_key_pair(one)
check("the rules go", driver.ex_delete_port_forwarding_rule(node, forward))
check("each", driver.ex_delete_firewall_rule(rule) and driver.ex_delete_egress_firewall_rule(egress))
check("of them", driver.ex_delete_ip_forwarding_rule(node, translated))
check("the address goes", driver.ex_release_public_ip(address))
check("the group goes", driver.ex_delete_security_group("libcloud"))
check("the node goes", driver.destroy_node(node, ex_expunge=True))
check("the network goes", driver.ex_delete_network(network))
driver._sync_request("deleteNetworkOffering", params={"id": offering.id})

# What there is none of, and what is left.
for call in (
    driver.ex_list_networks,
    driver.ex_list_network_offerings,
    driver.ex_list_vpcs,
    driver.ex_list_vpc_offerings,
    driver.ex_list_routers,
    driver.ex_list_public_ips,
    driver.ex_list_firewall_rules,
    driver.ex_list_port_forwarding_rules,
    driver.ex_list_ip_forwarding_rules,
    driver.ex_list_network_acllists,
    driver.ex_list_network_acl,
    driver.ex_list_security_groups,
    driver.ex_list_affinity_groups,
    driver.ex_list_affinity_group_types,
    driver.ex_list_vpn_gateways,
    driver.ex_list_vpn_customer_gateways,
    driver.ex_list_vpn_connections,
    driver.list_key_pairs,
):
    check_equal(f"{call.__name__} answers none", call(), [])
end()
