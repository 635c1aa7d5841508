"""Every operation of JD Cloud's public API that a client could send here, so that what is not served yet is answered
as such.

The table is our own; a test compares it with the request classes of the installed SDK. What is declared with
`@operation` is served, the rest answers 501 NOT_IMPLEMENTED.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Known(NamedTuple):
    """An operation as the public clients spell it."""

    service: str
    name: str
    method: str
    path: str


REGION = "/v1/regions/{regionId}"  # written as R; ":*" ends a path with the operation's own name
_TABLE = {
    "vpc": """
        describeBandwidthPackages GET R/bandwidthPackages/
        createBandwidthPackage POST R/bandwidthPackages/
        deleteBandwidthPackage DELETE R/bandwidthPackages/{bandwidthPackageId}
        describeBandwidthPackage GET R/bandwidthPackages/{bandwidthPackageId}
        modifyBandwidthPackage PATCH R/bandwidthPackages/{bandwidthPackageId}
        addBandwidthPackageIP POST R/bandwidthPackages/{bandwidthPackageId}:*
        modifyBandwidthPackageIpBandwidth POST R/bandwidthPackages/{bandwidthPackageId}:*
        removeBandwidthPackageIP POST R/bandwidthPackages/{bandwidthPackageId}:*
        describeEdgeIpProviders GET R/edgeIpProviders/
        describeElasticIpPools GET R/elasticIpPool/
        createElasticIpPool POST R/elasticIpPool/
        deleteElasticIpPool DELETE R/elasticIpPool/{elasticIpPoolId}
        describeElasticIpPool GET R/elasticIpPool/{elasticIpPoolId}
        modifyElasticIpPool PATCH R/elasticIpPool/{elasticIpPoolId}
        describeElasticIps GET R/elasticIps/
        createElasticIps POST R/elasticIps/
        deleteElasticIp DELETE R/elasticIps/{elasticIpId}
        describeElasticIp GET R/elasticIps/{elasticIpId}
        modifyElasticIp PATCH R/elasticIps/{elasticIpId}
        exportElasticIps POST R/elasticips:export
        describeNatGateways GET R/natGateways/
        createNatGateway POST R/natGateways/
        deleteNatGateway DELETE R/natGateways/{natGatewayId}
        describeNatGateway GET R/natGateways/{natGatewayId}
        modifyNatGateway PATCH R/natGateways/{natGatewayId}
        describeNatIpCidrs GET R/natGateways/{natGatewayId}/natIpCidrs
        modifyNatIpCidr PATCH R/natGateways/{natGatewayId}/natIpCidrs
        addNatIpCidr POST R/natGateways/{natGatewayId}/natIpCidrs
        removeNatIpCidr POST R/natGateways/{natGatewayId}/natIpCidrs:*
        describeNatIps GET R/natGateways/{natGatewayId}/natIps
        modifyNatIp PATCH R/natGateways/{natGatewayId}/natIps
        allocateNatIp POST R/natGateways/{natGatewayId}/natIps
        releaseNatIps POST R/natGateways/{natGatewayId}/natIps:*
        associateElasticIps POST R/natGateways/{natGatewayId}:*
        disassociateElasticIps POST R/natGateways/{natGatewayId}:*
        startNatGateway POST R/natGateways/{natGatewayId}:*
        stopNatGateway POST R/natGateways/{natGatewayId}:*
        describeNetworkAcls GET R/networkAcls/
        createNetworkAcl POST R/networkAcls/
        deleteNetworkAcl DELETE R/networkAcls/{networkAclId}
        describeNetworkAcl GET R/networkAcls/{networkAclId}
        modifyNetworkAcl PATCH R/networkAcls/{networkAclId}
        describeNetworkAclRules GET R/networkAcls/{networkAclId}/networkAclRules
        addNetworkAclRules POST R/networkAcls/{networkAclId}:*
        associateNetworkAcl POST R/networkAcls/{networkAclId}:*
        disassociateNetworkAcl POST R/networkAcls/{networkAclId}:*
        modifyNetworkAclRules POST R/networkAcls/{networkAclId}:*
        removeNetworkAclRules POST R/networkAcls/{networkAclId}:*
        describeNetworkInterfaces GET R/networkInterfaces/
        createNetworkInterface POST R/networkInterfaces/
        deleteNetworkInterface DELETE R/networkInterfaces/{networkInterfaceId}
        describeNetworkInterface GET R/networkInterfaces/{networkInterfaceId}
        modifyNetworkInterface PATCH R/networkInterfaces/{networkInterfaceId}
        describeNetworkInterfaceCidrIps GET R/networkInterfaces/{networkInterfaceId}/cidrIps
        assignSecondaryIps POST R/networkInterfaces/{networkInterfaceId}:*
        associateElasticIp POST R/networkInterfaces/{networkInterfaceId}:*
        disassociateElasticIp POST R/networkInterfaces/{networkInterfaceId}:*
        unassignSecondaryIps POST R/networkInterfaces/{networkInterfaceId}:*
        describeNetworkSecurityGroups GET R/networkSecurityGroups/
        createNetworkSecurityGroup POST R/networkSecurityGroups/
        deleteNetworkSecurityGroup DELETE R/networkSecurityGroups/{networkSecurityGroupId}
        describeNetworkSecurityGroup GET R/networkSecurityGroups/{networkSecurityGroupId}
        modifyNetworkSecurityGroup PATCH R/networkSecurityGroups/{networkSecurityGroupId}
        describeNetworkSecurityGroupRules GET R/networkSecurityGroups/{networkSecurityGroupId}/networkSecurityGroupRules
        addNetworkSecurityGroupRules POST R/networkSecurityGroups/{networkSecurityGroupId}:*
        modifyNetworkSecurityGroupRules POST R/networkSecurityGroups/{networkSecurityGroupId}:*
        removeNetworkSecurityGroupRules POST R/networkSecurityGroups/{networkSecurityGroupId}:*
        describeQuota GET R/quotas/
        describeRouteTables GET R/routeTables/
        createRouteTable POST R/routeTables/
        deleteRouteTable DELETE R/routeTables/{routeTableId}
        describeRouteTable GET R/routeTables/{routeTableId}
        modifyRouteTable PATCH R/routeTables/{routeTableId}
        describeRouteTableRules GET R/routeTables/{routeTableId}/routeTableRules
        addRouteTableRules POST R/routeTables/{routeTableId}:*
        associateRouteTable POST R/routeTables/{routeTableId}:*
        disassociateRouteTable POST R/routeTables/{routeTableId}:*
        modifyRouteTableRules POST R/routeTables/{routeTableId}:*
        removeRouteTableRules POST R/routeTables/{routeTableId}:*
        describeSubnets GET R/subnets/
        createSubnet POST R/subnets/
        deleteSubnet DELETE R/subnets/{subnetId}
        describeSubnet GET R/subnets/{subnetId}
        modifySubnet PATCH R/subnets/{subnetId}
        describeSubnetCidrIps GET R/subnets/{subnetId}/cidrIps
        describeVpcPeerings GET R/vpcPeerings/
        createVpcPeering POST R/vpcPeerings/
        deleteVpcPeering DELETE R/vpcPeerings/{vpcPeeringId}
        describeVpcPeering GET R/vpcPeerings/{vpcPeeringId}
        modifyVpcPeering PUT R/vpcPeerings/{vpcPeeringId}
        createVpcPolicy POST R/vpcPolicy/
        deleteVpcPolicy DELETE R/vpcPolicy/{vpcPolicyId}
        describeVpcPolicy GET R/vpcPolicy/{vpcPolicyId}
        modifyVpcPolicy PATCH R/vpcPolicy/{vpcPolicyId}
        describeVpcs GET R/vpcs/
        createVpc POST R/vpcs/
        deleteVpc DELETE R/vpcs/{vpcId}
        describeVpc GET R/vpcs/{vpcId}
        modifyVpc PATCH R/vpcs/{vpcId}
    """,
    "lb": """
        describeBackends GET R/backends/
        createBackend POST R/backends/
        deleteBackend DELETE R/backends/{backendId}
        describeBackend GET R/backends/{backendId}
        updateBackend PATCH R/backends/{backendId}
        describeAgTargets GET R/backends/{backendId}/agTargets
        describeTargetHealth GET R/backends/{backendId}/health
        updateAgTargets PATCH R/backends/{backendId}:*
        describeCustomizedConfigurations GET R/customizedConfigurations/
        createCustomizedConfiguration POST R/customizedConfigurations/
        deleteCustomizedConfiguration DELETE R/customizedConfigurations/{customizedConfigurationId}
        describeCustomizedConfiguration GET R/customizedConfigurations/{customizedConfigurationId}
        updateCustomizedConfiguration PATCH R/customizedConfigurations/{customizedConfigurationId}
        associateCustomizedConfiguration POST R/customizedConfigurations/{customizedConfigurationId}:*
        disassociateCustomizedConfiguration POST R/customizedConfigurations/{customizedConfigurationId}:*
        describeListeners GET R/listeners/
        createListener POST R/listeners/
        deleteListener DELETE R/listeners/{listenerId}
        describeListener GET R/listeners/{listenerId}
        updateListener PATCH R/listeners/{listenerId}
        addListenerCertificates POST R/listeners/{listenerId}:*
        deleteListenerCertificates POST R/listeners/{listenerId}:*
        updateListenerCertificates POST R/listeners/{listenerId}:*
        describeLoadBalancers GET R/loadBalancers/
        createLoadBalancer POST R/loadBalancers/
        deleteLoadBalancer DELETE R/loadBalancers/{loadBalancerId}
        describeLoadBalancer GET R/loadBalancers/{loadBalancerId}
        updateLoadBalancer PATCH R/loadBalancers/{loadBalancerId}
        associateElasticIp POST R/loadBalancers/{loadBalancerId}:*
        associateSecurityGroup POST R/loadBalancers/{loadBalancerId}:*
        disassociateElasticIp POST R/loadBalancers/{loadBalancerId}:*
        disassociateSecurityGroup POST R/loadBalancers/{loadBalancerId}:*
        describeLoadBalancersBySecurityGroup POST R/loadBalancers/{securityGroupId}:*
        describeSecurityPolicies GET R/securityPolicies/
        createSecurityPolicy POST R/securityPolicies/
        deleteSecurityPolicy DELETE R/securityPolicies/{securityPolicyId}
        describeSecurityPolicy GET R/securityPolicies/{securityPolicyId}
        updateSecurityPolicy PATCH R/securityPolicies/{securityPolicyId}
        describeSupportedCiphers GET R/supportedCiphers/
        describeTargetGroups GET R/targetGroups/
        createTargetGroup POST R/targetGroups/
        deleteTargetGroup DELETE R/targetGroups/{targetGroupId}
        describeTargetGroup GET R/targetGroups/{targetGroupId}
        updateTargetGroup PATCH R/targetGroups/{targetGroupId}
        deRegisterTargets POST R/targetGroups/{targetGroupId}:deregisterTargets
        describeTargets GET R/targetGroups/{targetGroupId}:*
        registerTargets POST R/targetGroups/{targetGroupId}:*
        updateTargets POST R/targetGroups/{targetGroupId}:*
        describeUrlMaps GET R/urlMaps/
        createUrlMap POST R/urlMaps/
        deleteUrlMap DELETE R/urlMaps/{urlMapId}
        describeUrlMap GET R/urlMaps/{urlMapId}
        updateUrlMap PATCH R/urlMaps/{urlMapId}
        addRules POST R/urlMaps/{urlMapId}:*
        deleteRules POST R/urlMaps/{urlMapId}:*
        updateRules PATCH R/urlMaps/{urlMapId}:*
    """,
    "vm": """
        describeImageConstraintsBatch GET R/imageConstraints
        imageTasks GET R/imageTasks
        describeImages GET R/images
        deleteImage DELETE R/images/{imageId}
        describeImage GET R/images/{imageId}
        describeImageConstraints GET R/images/{imageId}/constraints
        describeImageMembers GET R/images/{imageId}/members
        exportImage POST R/images/{imageId}:*
        modifyImageAttribute POST R/images/{imageId}:*
        releaseImage POST R/images/{imageId}:release
        shareImage POST R/images/{imageId}:share
        unReleaseImage POST R/images/{imageId}:unrelease
        unShareImage POST R/images/{imageId}:unshare
        copyImages POST R/images:*
        createImageFromSnapshots POST R/images:*
        importImage POST R/images:import
        describeInstancePrivateIpAddress GET R/instancePrivateIpAddress
        describeInstanceStatus GET R/instanceStatus
        describeInstanceTemplates GET R/instanceTemplates
        createInstanceTemplate POST R/instanceTemplates
        deleteInstanceTemplate DELETE R/instanceTemplates/{instanceTemplateId}
        describeInstanceTemplate GET R/instanceTemplates/{instanceTemplateId}
        updateInstanceTemplate PATCH R/instanceTemplates/{instanceTemplateId}
        verifyInstanceTemplate GET R/instanceTemplates/{instanceTemplateId}:verify
        describeInstanceTemplatesCustomdata GET R/instanceTemplatesCustomData
        describeInstanceTypes GET R/instanceTypes
        describeInstances GET R/instances
        createInstances POST R/instances
        deleteInstance DELETE R/instances/{instanceId}
        describeInstance GET R/instances/{instanceId}
        describeInstanceVncUrl GET R/instances/{instanceId}/vnc
        associateElasticIp POST R/instances/{instanceId}:*
        attachDisk POST R/instances/{instanceId}:*
        attachNetworkInterface POST R/instances/{instanceId}:*
        createImage POST R/instances/{instanceId}:*
        detachDisk POST R/instances/{instanceId}:*
        detachNetworkInterface POST R/instances/{instanceId}:*
        disassociateElasticIp POST R/instances/{instanceId}:*
        modifyInstanceAttribute POST R/instances/{instanceId}:*
        modifyInstanceDiskAttribute POST R/instances/{instanceId}:*
        modifyInstanceNetworkAttribute POST R/instances/{instanceId}:*
        modifyInstancePassword POST R/instances/{instanceId}:*
        modifyInstancePlacement POST R/instances/{instanceId}:*
        modifyInstanceVpcAttribute POST R/instances/{instanceId}:*
        rebootInstance POST R/instances/{instanceId}:*
        rebuildInstance POST R/instances/{instanceId}:*
        redeployInstance POST R/instances/{instanceId}:*
        resizeInstance POST R/instances/{instanceId}:*
        resumeInstance POST R/instances/{instanceId}:*
        startInstance POST R/instances/{instanceId}:*
        stopInstance POST R/instances/{instanceId}:*
        suspendInstance POST R/instances/{instanceId}:*
        describeBriefInstances GET R/instances:*
        modifyInstanceReleaseTime POST R/instances:*
        describeInstancesCustomData GET R/instancesCustomData
        describeKeypairs GET R/keypairs
        createKeypair POST R/keypairs
        deleteKeypair DELETE R/keypairs/{keyName}
        attachKeypair POST R/keypairs/{keyName}:attach
        detachKeypair POST R/keypairs/{keyName}:detach
        importKeypair POST R/keypairs:import
        describeQuotas GET R/quotas
    """,
    "bgw": """
        describeConnections GET R/connections/
        modifyAdminStatus POST R/vpnTunnels/{vpnTunnelId}:adminStatus
    """,
    "baseanti": """
        describeAttackLogs GET /v1/attacklog
        describeAttackStatistics GET /v1/describeAttackStatistics
        describeAttackTypeCount GET /v1/describeAttackTypeCount
        describeIpMonitorFlow GET /v1/describeIpMonitorFlow
        describeCcsIpResources GET R/ccsIpResources
        describeCpsIpResources GET R/cpsIpResources
        describeIpCleanThresholdRange GET R/describeIpCleanThresholdRange
        describeIpSafetyInfo GET R/describeIpSafetyInfo
        describeElasticIpResources GET R/elasticIpResources
        describeIpResources GET R/ipResources
        describeIpResourceInfo GET R/ipResources/{ip}
        describeIpResourceFlow GET R/ipResources/{ip}/monitorFlow
        describeIpResourceProtectInfo GET R/ipResources/{ip}/protectInfo
        setCleanThreshold POST R/ipResources/{ip}:*
        setIpCleanThreshold POST R/setIpCleanThreshold
        describeWafIpResources GET R/wafIpResources
    """,
    "monitor": """
        putCustomMetricData POST /v2/customMetrics
        putMetricData POST /v2/customMetrics
        describeAlarms GET /v2/groupAlarms
        createAlarm POST /v2/groupAlarms
        deleteAlarms DELETE /v2/groupAlarms/{alarmId}
        describeAlarm GET /v2/groupAlarms/{alarmId}
        updateAlarm PUT /v2/groupAlarms/{alarmId}
        describeAlarmContacts GET /v2/groupAlarms/{alarmId}/contacts
        describeMetricsForAlarm GET /v2/groupAlarms:metrics
        describeProductsForAlarm GET /v2/groupAlarms:products
        enableAlarms POST /v2/groupAlarms:switch
        describeAlarmHistory GET /v2/groupAlarmsHistory
        describeMetrics GET /v2/metrics
        put POST /v2/put
        putProductMetricData POST /v2/put
        lastDownsample GET /v2/regions/{regionId}/metrics/{metric}/lastDownsample
        describeMetricData GET /v2/regions/{regionId}/metrics/{metric}/metricData
        describeCustomMetricData POST /v2/regions/{regionId}/namespaces/{namespaceUID}/metricData
        describeTagValues GET /v2/regions/{regionId}/tagValues/{tagKey}
        describeServices GET /v2/services
    """,
    "flowlog": """
        describeFlowLogs GET R/flowLogs
        createFlowLog POST R/flowLogs
        deleteFlowLog DELETE R/flowLogs/{flowLogId}
        describeFlowLog GET R/flowLogs/{flowLogId}
        modifyFlowLog PATCH R/flowLogs/{flowLogId}
        addCollectResources POST R/flowLogs/{flowLogId}:*
        describeCollectResources POST R/flowLogs/{flowLogId}:*
        removeCollectResources POST R/flowLogs/{flowLogId}:*
        startFlowLog POST R/flowLogs/{flowLogId}:*
        stopFlowLog POST R/flowLogs/{flowLogId}:*
        describeQuota GET R/quotas/
    """,
    "billing": """
        queryBillDaySummary POST R/billDaySummary:list
        queryBillDetail POST R/billDetail:list
        queryBillSummary POST R/billSummary:list
        calculateTotalPrice POST R/calculateTotalPrice
        describeBillDetails POST R/describeBillDetails
        describeBillSummarys POST R/describeBillSummarys
        describeFormulaSummaryList POST R/describeFormulaSummaryList
        describeSplitBillItems POST R/describeSplitBillItems
        querySplitItemDaySummary POST R/splitItemBillDaySummary:List
        querySplitItemMonthSummary POST R/splitItemBillMonthSummary:List
    """,
}


def known() -> Iterator[Known]:
    """Every operation of the public API, service by service."""
    for service, text in _TABLE.items():
        for line in text.splitlines():
            if line.strip():
                name, method, path = line.split()
                yield Known(service, name, method, _whole(path, name))


def _whole(path: str, name: str) -> str:
    path = f"{REGION}{path[1:]}" if path.startswith("R/") else path
    return path.replace(":*", f":{name}")


SERVICES = frozenset(_TABLE)
