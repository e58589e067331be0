"""The real cachetory, told on standard input what to do; answers on standard output, in order.

In:  {"mode": "sync" | "async", "url": ..., "prefix": ..., "calls": [{"do": "set" | "get" | "delete",
     "key": ..., "serializer": ..., "expr": a Python expression, "ttl_ms": number or null}]}
Out: [{"done": true} | {"repr": ..., "type": ...} | {"miss": true} | {"error": ...}]
"""

import asyncio, collections, datetime, decimal, fractions, json, sys, uuid

from cachetory.serializers import from_url as serializer_of

NAMES = vars() | {"OrderedDict": collections.OrderedDict, "Decimal": decimal.Decimal, "UUID": uuid.UUID,
                  "Fraction": fractions.Fraction, "deque": collections.deque, "Counter": collections.Counter}
MISS = object()


def task_of(call):
    """The positional and keyword arguments of the cache's method."""
    if call["do"] != "set":
        return [call["key"]] + ([MISS] if call["do"] == "get" else []), {}
    ttl = call.get("ttl_ms")
    ttl = None if ttl is None else datetime.timedelta(milliseconds=ttl)
    return [call["key"], eval(call["expr"], dict(NAMES))], {"time_to_live": ttl}


def answer_of(call, result):
    if call["do"] == "delete":
        return {"done": True} if result else {"miss": True}
    if call["do"] == "set":
        return {"done": True}
    return {"miss": True} if result is MISS else {"repr": repr(result), "type": type(result).__name__}


def run_sync(order):
    from cachetory.backends.sync import from_url
    from cachetory.caches.sync import Cache

    backend = from_url(order["url"])
    for call in order["calls"]:
        try:
            cache = Cache(serializer=serializer_of(call["serializer"]), backend=backend, prefix=order["prefix"])
            args, options = task_of(call)
            yield answer_of(call, getattr(cache, call["do"])(*args, **options))
        except Exception as error:
            yield {"error": f"{type(error).__name__}: {error}"}


async def run_async(order):
    from cachetory.backends.async_ import from_url
    from cachetory.caches.async_ import Cache

    answers = []
    async with from_url(order["url"]) as backend:
        for call in order["calls"]:
            try:
                cache = Cache(serializer=serializer_of(call["serializer"]), backend=backend, prefix=order["prefix"])
                args, options = task_of(call)
                answers.append(answer_of(call, await getattr(cache, call["do"])(*args, **options)))
            except Exception as error:
                answers.append({"error": f"{type(error).__name__}: {error}"})
    return answers


order = json.load(sys.stdin)
answers = list(run_sync(order)) if order["mode"] == "sync" else asyncio.run(run_async(order))
json.dump(answers, sys.stdout)
