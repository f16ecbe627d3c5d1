"""amazon-ads-mcp 0.3.31, its download half: ``ExportDownloadHandler.download_export``, streamed to disk and unpacked.

It does less than the others: what it leaves is the JSON array as it came, which nobody has parsed, so it would be
content with half a file of text. The rows are read from that array, outside of what is measured. Patched: the check of
the URL's host, which lets nothing but Amazon's through.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from amazon_ads_mcp.utils import security
from amazon_ads_mcp.utils.export_download_handler import ExportDownloadHandler

from benchmarks.peers.work import Ticker, say, told


async def _main() -> None:
    work = told()
    security.validate_download_url = lambda _: None
    async with Ticker() as ticker:
        handler = ExportDownloadHandler(Path(work["out"]))
        await handler.download_export(work["url"], "export", "campaigns")
    say(**ticker.figures())


if __name__ == "__main__":
    asyncio.run(_main())
