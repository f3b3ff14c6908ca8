"""What REST tells of itself beyond what FastAPI sees: refusals, and the order in a form or a query."""

from typing import Any

from pydantic import BaseModel, Field

from nlcunet.server.orders import Order

LONGEST_WAIT_S = 300.0


class Problem(BaseModel):
    """Why a request was not served."""

    error: str = Field(description="One word for programs.")
    detail: str = Field(description="A sentence for people.")


BINARY = {"type": "string", "format": "binary"}

_REASONS = {
    400: "A form that cannot be read.",
    401: "No key, or an unknown one.",
    403: "Sent by a page of another web site, or through a proxy that the server does not know.",
    404: "There is no such job.",
    408: "The request came too slowly.",
    409: "Not ready, cancelled, or without a result.",
    410: "The result has been deleted.",
    413: "Too many bytes or pixels.",
    415: "No picture, or of a kind that is not read.",
    421: "Sent to a name that this server does not have.",
    422: "Not possible as ordered, or failed.",
    429: "Too many of your pictures wait; see Retry-After.",
    503: "The queue or the disk is full, or the server ends; see Retry-After.",
}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Refusals in the schema."""
    return {status: {"description": _REASONS[status], "model": Problem} for status in statuses}


_WAIT = {
    "type": "number",
    "minimum": 0,
    "maximum": LONGEST_WAIT_S,
    "description": "Seconds to wait for the picture before a job is answered instead; by default what the server says.",
}


def _order_fields() -> dict[str, Any]:
    return {**Order.model_json_schema()["properties"], "wait": _WAIT}


def _describe(schema: dict[str, Any]) -> str:
    """A field's description; that of a field that may be left out stands with its type."""
    return next((one["description"] for one in (schema, *schema.get("anyOf", ())) if "description" in one), "")


def upscale_body() -> dict[str, Any]:
    """The request body in the schema: a form, or the picture itself."""
    form = {"type": "object", "required": ["file"], "properties": {"file": BINARY, **_order_fields()}}
    example = {"scale": 4, "format": "png", "wait": 60}
    media = {kind: {"schema": BINARY} for kind in ("image/png", "image/jpeg", "application/octet-stream")}
    return {
        "required": True,
        "description": "A form with the picture in `file`, or the picture itself with the order in the query.",
        "content": {"multipart/form-data": {"schema": form, "example": example}, **media},
    }


def order_parameters() -> list[dict[str, Any]]:
    """The order as query parameters, for requests whose body is the picture."""
    names = {"type": "string", "maxLength": 120, "description": "The picture's name."}
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": _describe(schema)}
        for name, schema in {**_order_fields(), "name": names}.items()
    ]
