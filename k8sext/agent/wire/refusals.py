"""What web servers say to a Host header that they do not know, and to a signature that covers it.

A Service changes no Host header: what reaches the server is the bridge's name. Words and statuses:
Django `DisallowedHost`, Rails `HostAuthorization`, Starlette `TrustedHostMiddleware`, Spring
`StrictHttpFirewall`, Vite and webpack's servers, Jetty's `SecureRequestCustomizer`, ASP.NET Core's
host filtering and HTTP.sys, Nextcloud, Jupyter, Fastly, Cloudflare, GitHub Pages, Heroku; RFC 9110,
15.5.20 for 421. Signatures: AWS Signature Version 4 (Host is always among what is signed), the same
error code at MinIO, Alibaba OSS, Google, Tencent, Huawei; Azure Blob takes the account from Host.
"""

from __future__ import annotations

import re

from .http import Response

MAX_LOOKED = 8192  # bytes of an error's page
_HOST_WORDS = re.compile(
    rb"Invalid HTTP_HOST header|DisallowedHost|Blocked hosts?: |Invalid [Hh]ost header"
    rb"|Invalid SNI|Invalid Hostname|hostname is invalid|This host \([^)]{1,200}\) is not allowed"
    rb"|the domain [^<]{1,200} is untrusted|untrusted domain|with non-local 'Host'"
    rb"|unknown domain: |error code: 1003|Direct IP access not allowed"
    rb"|isn't a GitHub Pages site here|No such app"
)
_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
_BUCKET = re.compile(rb"<BucketName>([^<]{1,255})</BucketName>")
_AZURE_SIGNATURE = re.compile(rb"AuthenticationErrorDetail>\s*Signature did not match")
_STORES = (
    ("x-amz-request-id", "an S3 store"),
    ("x-oss-request-id", "Alibaba OSS"),
    ("x-cos-request-id", "Tencent COS"),
    ("x-obs-request-id", "Huawei OBS"),
    ("x-ms-request-id", "Azure Storage"),
    ("x-guploader-uploadid", "Google Cloud Storage"),
)


def error_code(answer: Response) -> str:
    """The code in the XML error of an object store; "" for anything else."""
    found = _CODE.search(answer.body[:MAX_LOOKED]) if answer.status >= 400 else None
    return found[1].decode("ascii") if found else ""


def object_store(answer: Response) -> str:
    """Which object store refuses a request that nobody has signed; "" for any other answer."""
    if answer.status not in (400, 401, 403) or not error_code(answer):
        return ""
    if "minio" in answer.headers.get("server", "").lower():
        return "MinIO"
    return next((name for header, name in _STORES if header in answer.headers), "")


def host_words(answer: Response, host: str) -> str:
    """In which words an answer refuses the Host header `host` (with or without a port); "" where
    it does not. An object store that looks for a bucket of that name has not known it either.
    """
    if answer.status < 400:
        return ""
    if answer.status == 421:
        return "421 Misdirected Request"
    body = answer.body[:MAX_LOOKED]
    bucket = _BUCKET.search(body) if error_code(answer) == "NoSuchBucket" else None
    if bucket and bucket[1].decode("utf-8", "replace") == host.partition(":")[0]:
        return "NoSuchBucket: it takes the name for that of a bucket"
    found = _HOST_WORDS.search(body)
    return " ".join(found[0].decode("utf-8", "replace").split()) if found else ""


def signature_words(answer: Response) -> str:
    """In which words an object store says that a signature does not fit; "" where it does not."""
    code = error_code(answer)
    if code == "SignatureDoesNotMatch":
        return code
    return "Signature did not match" if _AZURE_SIGNATURE.search(answer.body[:MAX_LOOKED]) else ""
