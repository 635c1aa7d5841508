"""An account owns resources and signs its requests with access keys; one account never sees another's."""

from sdnctl.model.resource import label, ref, resource, secret


@resource(prefix="acct")
class Account:
    """A tenant, made by the operator; ``quotas`` raises the documented defaults by quota name."""

    id: str
    name: str = label(default="")
    quotas: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource()
class AccessKey:
    """A key pair of an account; the id is the public half."""

    id: str
    account: str = ref("Account", on_delete="cascade")
    secret: str = secret()


OPERATOR = "operator"


@resource()
class OperatorToken:
    """The bearer token by which the operator of the region is known; one record, ``OPERATOR``."""

    id: str
    token: str = secret()


@resource()
class ClientToken:
    """A call that must not be carried out twice: what it asked (``digest``) and what it got (``result``, JSON)."""

    id: str
    account: str = ref("Account", on_delete="cascade")
    digest: str = label(default="")
    result: str = label(default="")
    created: float = label(default=0.0)
