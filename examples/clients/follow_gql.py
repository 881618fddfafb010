"""The `leads` of an account with gql for Python: https://gql.readthedocs.io

    python3 follow_gql.py WS_URL TOKEN

Writes each event as a line of JSON, until it is ended.
"""

import asyncio
import json
import sys

from gql import Client, gql
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import WebSocketException

QUERY = "subscription($after: String) { leads(after: $after) { cursor lead { id fields } } }"


async def follow(url, token, on_event):
    after = None
    while True:
        transport = WebsocketsTransport(
            url=url,
            init_payload={"Authorization": f"Bearer {token}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        query = gql(QUERY)
        query.variable_values = {"after": after}
        try:
            async with Client(transport=transport) as session:
                async for data in session.subscribe(query):
                    after = data["leads"]["cursor"]
                    on_event(data["leads"])
        except (OSError, TransportError, WebSocketException):
            # The connection is lost; or there was an error, which a real program would look at.
            pass
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], sys.argv[2], lambda event: print(json.dumps(event), flush=True)))
