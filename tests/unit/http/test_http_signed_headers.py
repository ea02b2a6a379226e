"""What a signed URL asks for is sent with an upload, and nothing else."""

from collections.abc import Mapping

from runner.http import headers
from runner.lib.secrets import Secret

PLAIN = "https://s.example/up/train.csv?X-Amz-SignedHeaders=host&X-Amz-Signature=x"
TYPED = "https://s.example/up/train.csv?X-Amz-SignedHeaders=content-type%3Bhost&X-Amz-Signature=x"
AZURE = "https://a.blob.example/c/train.csv?sv=2022-11-02&se=2026-01-01T00%3A00Z&sr=b&sp=w&sig=x"


def header_sets(url: str, given: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    return headers.header_sets(Secret(url), given)


def test_a_plain_url_gets_no_header_and_the_manifests_own_are_added() -> None:
    assert header_sets(PLAIN, {}) == ({},)
    assert header_sets(PLAIN, {"x-ms-blob-type": "BlockBlob"}) == ({"x-ms-blob-type": "BlockBlob"},)


def test_a_signed_content_type_is_guessed_until_the_manifest_gives_it() -> None:
    assert header_sets(TYPED, {}) == (
        {"content-type": "application/octet-stream"},
        {"content-type": "text/csv"},
    )
    assert header_sets(TYPED.replace(".csv", ".zip"), {})[1] == {"content-type": "application/zip"}
    assert header_sets(TYPED, {"content-type": "text/plain"}) == ({"content-type": "text/plain"},)


def test_a_shared_access_signature_gets_the_type_of_blob() -> None:
    assert header_sets(AZURE, {}) == ({"x-ms-blob-type": "BlockBlob"},)
