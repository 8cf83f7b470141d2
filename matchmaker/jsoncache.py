"""How values lie in the cache: as JSON, for who can write into Redis must not get to run code here."""

import json
from typing import Any


class JSONSerializer:
    """Django's own serializer without its pickles; whole numbers stay bare, so that Redis can count."""

    def dumps(self, value: Any) -> int | str:
        return value if type(value) is int else json.dumps(value)

    def loads(self, data: bytes) -> Any:
        return json.loads(data)
