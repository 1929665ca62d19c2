"""The volume part of the tour over the wire, by python `cs` as Debian ships it, unmodified."""

import json

from checks import KEY, SECRET, URL, check, end
from cs import CloudStack, CloudStackApiException

api = CloudStack(endpoint=URL, key=KEY, secret=SECRET, poll_interval=0.05, job_timeout=60)

zone = api.listZones()["zone"][0]["id"]
service = api.listServiceOfferings()["serviceoffering"][0]["id"]
template = api.listTemplates(templatefilter="all")["template"][0]["id"]
offering = api.createDiskOffering(
    name="cs-tour", displaytext="made by cs", disksize=2, miniops=50, maxiops=200
)["diskoffering"]
check("the offering says its IOPS", (offering["miniops"], offering["maxiops"]) == (50, 200))

vm = api.deployVirtualMachine(
    zoneid=zone, serviceofferingid=service, templateid=template, name="cs-tour", fetch_result=True
)["virtualmachine"]
check("the VM runs", vm["state"] == "Running")

volume = api.createVolume(
    zoneid=zone, diskofferingid=offering["id"], name="cs-tour é ~ [1]", fetch_result=True
)["volume"]
check("a new volume is Allocated", volume["state"] == "Allocated")
check("its size is in bytes", volume["size"] == 2 * 1024**3)
check("its name came through the signature", volume["name"] == "cs-tour é ~ [1]")

attached = api.attachVolume(id=volume["id"], virtualmachineid=vm["id"], fetch_result=True)["volume"]
check("attached, it is Ready", attached["state"] == "Ready" and attached["virtualmachineid"] == vm["id"])

try:
    api.attachVolume(id=volume["id"], virtualmachineid=vm["id"], fetch_result=True)
    check("attaching twice is refused", False)
except CloudStackApiException as error:
    check("attaching twice is refused", error.error["errorcode"] == 431)

snapshot = api.createSnapshot(volumeid=volume["id"], locationtype="primary", fetch_result=True)["snapshot"]
check("the snapshot is on the array", snapshot["locationtype"].lower() == "primary")

resized = api.resizeVolume(id=volume["id"], size=3, fetch_result=True)["volume"]
check("it has grown", resized["size"] == 3 * 1024**3)

detached = api.detachVolume(id=volume["id"], fetch_result=True)["volume"]
check("detached, it names no VM", "virtualmachineid" not in detached)

api.revertSnapshot(id=snapshot["id"], fetch_result=True)
clone = api.createVolume(snapshotid=snapshot["id"], name="cs-clone", fetch_result=True)["volume"]
check("a volume came from the snapshot", clone["state"] == "Ready")

check("both are listed", {v["id"] for v in api.listVolumes(fetch_list=True)} >= {volume["id"], clone["id"]})
check("the snapshot goes", api.deleteSnapshot(id=snapshot["id"], fetch_result=True)["success"])
check("a volume goes at once", api.deleteVolume(id=clone["id"])["success"])
api.destroyVolume(id=volume["id"], expunge=True, fetch_result=True)
check("none is left", api.listVolumes(id=volume["id"]) == {})
api.destroyVirtualMachine(id=vm["id"], expunge=True, fetch_result=True)
api.deleteDiskOffering(id=offering["id"])
api.runCensus(fetch_result=True)
left = [f for f in api.listCensusFindings(fetch_list=True) if f["kind"] != "foreign"]
check(f"the census finds nothing left over {json.dumps(left)}", left == [])
end()
