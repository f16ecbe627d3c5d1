"""airbyte-cdk 7.39.1: a declarative manifest, as its connector for this API has one, run by the CDK's own source.

One stream for each endpoint, partitioned by profile, each an ``AsyncRetriever``: create, poll, download, gzip and JSON.
``max_concurrent_async_job_count`` is five; it counts the jobs of one stream. The CDK looks every five seconds, which is
no setting of it. Records go a line each into the file of their stream; nothing is patched, hosts are the manifest's.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, Type
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

from benchmarks.peers.work import BODY, ENTITIES, target, told

_AT_ONCE = 5


def _stream(entity: str, account: dict[str, Any], profiles: list[str]) -> dict[str, Any]:
    kind = f"application/vnd.{entity.lower()}export.v1+json"
    headers = {
        "Amazon-Advertising-API-ClientId": account["client_id"],
        "Amazon-Advertising-API-Scope": "{{ stream_partition.profile }}",
        "Content-Type": kind,
        "Accept": kind,
    }
    oauth = {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": account["token_url"],
        **{name: account[name] for name in ("client_id", "client_secret", "refresh_token")},
    }
    api = {
        "type": "HttpRequester",
        "url_base": account["api_url"],
        "authenticator": oauth,
        "request_headers": headers,
    }
    at = "creation_response['exportId']"
    return {
        "type": "DeclarativeStream",
        "name": entity,
        "primary_key": [],
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "additionalProperties": True}},
        "retriever": {
            "type": "AsyncRetriever",
            "partition_router": {"type": "ListPartitionRouter", "cursor_field": "profile", "values": profiles},
            "creation_requester": {
                **api, "path": f"/{entity}/export", "http_method": "POST", "request_body_json": BODY,
            },
            "polling_requester": {**api, "path": f"/exports/{{{{ {at} }}}}", "http_method": "GET"},
            "status_extractor": {"type": "DpathExtractor", "field_path": ["status"]},
            "status_mapping": {
                "running": ["PROCESSING"], "completed": ["COMPLETED"], "failed": ["FAILED"], "timeout": [],
            },
            "download_target_extractor": {"type": "DpathExtractor", "field_path": ["url"]},
            "download_requester": {
                "type": "HttpRequester", "url_base": "{{ download_target }}", "http_method": "GET",
            },
            "download_decoder": {"type": "GzipDecoder", "decoder": {"type": "JsonDecoder"}},
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
        },
    }  # fmt: skip


def main() -> None:
    """Do it."""
    logging.disable(logging.INFO)
    work = told()
    manifest = {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [ENTITIES[0]]},
        "max_concurrent_async_job_count": _AT_ONCE,
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 4 * _AT_ONCE},
        "streams": [_stream(entity, work["account"], work["profiles"]) for entity in ENTITIES],
    }
    streams = [
        {
            "stream": {"name": entity, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
        for entity in ENTITIES
    ]
    catalog = ConfiguredAirbyteCatalogSerializer.load({"streams": streams})
    source = ConcurrentDeclarativeSource(catalog=catalog, config={}, state=[], source_config=manifest)
    files = {entity: target(work, entity).open("w", encoding="utf-8") for entity in ENTITIES}
    for message in source.read(logging.getLogger("airbyte"), {}, catalog, []):
        if message.type == Type.RECORD:
            row = json.dumps(message.record.data, ensure_ascii=False, separators=(",", ":"))
            files[message.record.stream].write(row + "\n")
    for file in files.values():
        file.close()


if __name__ == "__main__":
    main()
