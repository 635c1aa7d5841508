"""Additions of an upper feature to the calls of a lower one: to the parameters, the answers, the document."""

from apps.vpc.api import CreateSubnet
from apps.vpc.model import Subnet
from sdnctl.api import openapi
from sdnctl.api.extend import request_of, shown
from sdnctl.api.operations import discover


class NobodyKnows:
    """A class that no feature says anything about."""


def test_an_order_takes_what_others_accept() -> None:
    request = request_of(CreateSubnet, Subnet)
    given = {"vpcId": "vpc-a", "subnetName": "a", "addressPrefix": "10.0.0.0/24"}
    assert issubclass(request, CreateSubnet) and "routeTableId" not in CreateSubnet.model_fields
    assert request.model_validate({**given, "routeTableId": "rtb-a"}).model_dump()["routeTableId"] == "rtb-a"
    assert request.model_validate(given).model_dump()["routeTableId"] is None
    assert request_of(CreateSubnet, None) is request_of(CreateSubnet, NobodyKnows) is CreateSubnet


def test_the_document_tells_what_others_accept() -> None:
    paths = openapi.document(discover(), "cn-north-1")["paths"]
    body = paths["/v1/regions/{regionId}/subnets/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"routeTableId", "addressPrefix"} <= body["properties"].keys()
    interface = paths["/v1/regions/{regionId}/networkInterfaces/{networkInterfaceId}"]["patch"]["requestBody"]
    assert "queueNum" in interface["content"]["application/json"]["schema"]["properties"]


def test_an_answer_without_more_is_the_feature_s_own() -> None:
    assert shown(None, NobodyKnows(), {"a": 1}) == {"a": 1}
