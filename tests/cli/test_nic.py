"""``sdnctl nic libvirt`` and ``nic qemu``: the queues that the region says an instance's interfaces have."""

import xml.etree.ElementTree as ElementTree

from tests.cli.conftest import User


def test_the_interfaces_of_an_instance_for_its_hypervisor(user: User) -> None:
    user.ok("vpc", "create", "net", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "sub", "--vpc", "net", "--cidr", "10.0.1.0/24")
    for kind, queues in (("g.n2.small", 1), ("g.n2.large", 2), ("g.n2.4xlarge", 4)):
        name = kind.replace(".", "-")
        user.ok("instance", "create", name, "--subnet", "sub", "--type", kind)
        shown = user.json("instance", "get", name)["instance"]["primaryNetworkInterface"]["networkInterface"]
        (made,) = user.json("nic", "libvirt", name)["interfaces"]
        element = ElementTree.fromstring(made["fragment"])
        driver, mac = element.find("driver"), element.find("mac")
        assert driver is not None and mac is not None
        assert (
            (made["port"], made["queueNum"])
            == (shown["networkInterfaceId"], shown["queueNum"])
            == (
                shown["networkInterfaceId"],
                queues,
            )
        )
        assert (driver.get("queues"), mac.get("address")) == (str(queues), shown["macAddress"])
        assert f"external_ids:iface-id={shown['networkInterfaceId']}" in made["prepare"][-1]
        said = user.ok("nic", "qemu", name)
        assert said.startswith("# ip tuntap add dev tap") and f"mac={shown['macAddress']}" in said
        assert ("mq=on" in said) == (queues > 1) and (f"queues={queues}" in said) == (queues > 1)


def test_one_interface_by_its_name_and_what_is_refused(user: User) -> None:
    user.ok("eni", "create", "extra", "--subnet", "sub")
    user.ok("instance", "create", "two", "--subnet", "sub", "--type", "g.n2.xlarge")
    user.ok("eni", "attach", "extra", "two")
    assert [one["queueNum"] for one in user.json("nic", "libvirt", "two")["interfaces"]] == [4, 4]
    (made,) = user.json("nic", "qemu", "--port", "extra", "--vhost-user", "/run/x.sock")["interfaces"]
    assert "vhost-user" in made["fragment"] and "queues=4" in made["fragment"]
    assert "name it with --port" in user.refused("nic", "qemu", "two", "--vhost-user", "/run/x.sock", code=2)
    assert "name an instance" in user.refused("nic", "libvirt", code=2)
    assert "no instance goes by 'nobody'" in user.refused("nic", "libvirt", "nobody")
