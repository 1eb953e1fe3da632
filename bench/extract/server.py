"""A service of many records, paged by cursor, as fast as one process can answer: prepared bytes, nothing computed.

python bench/extract/server.py RECORDS    prints its port, and serves until it is ended
"""

import asyncio
import json
import random
import sys

PAGE = 100
FIRST = 1_772_409_600  # 2 March 2026, midnight UTC
SECONDS = 7 * 86_400


def record(number: int, total: int, made: random.Random) -> dict[str, object]:
    """A billing record of about 400 bytes; its time grows with its number over seven days."""
    customer = made.randrange(total // 4 + 1)
    return {
        "id": f"ch_{number:012d}",
        "object": "charge",
        "amount": made.randrange(100, 20_000),
        "created": FIRST + number * SECONDS // total,
        "currency": made.choice(["usd", "eur", "chf"]),
        "customer": f"cus_{customer:08d}",
        "status": made.choice(["succeeded", "failed", "pending"]),
        "billing_details": {
            "email": f"customer.{customer}@example.com",
            "phone": f"+4144{customer:07d}",
            "address": {"city": "Zürich", "country": "CH", "line1": "Bahnhofstrasse 1", "postal_code": "8001"},
        },
        "metadata": {"channel": made.choice(["pos", "app", "web"]), "login": f"login-{customer}"},
        "livemode": True,
    }


def pages(total: int) -> list[bytes]:
    """The answers, one a page, headers included."""
    made = random.Random(7)
    answers = []
    for first in range(0, total, PAGE):
        records = [record(number, total, made) for number in range(first, min(first + PAGE, total))]
        following = str(len(answers) + 1) if first + PAGE < total else None
        body = json.dumps({"data": records, "next": following}, ensure_ascii=False, separators=(",", ":")).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        answers.append(head.encode() + body)
    return answers


async def serve(total: int) -> None:
    """Answer ``GET /records?cursor=N`` on a free port of 127.0.0.1."""
    answers = pages(total)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = head.split(b" ", 2)[1]
                _, _, cursor = target.partition(b"cursor=")
                writer.write(answers[int(cursor.split(b"&")[0] or 0)])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
