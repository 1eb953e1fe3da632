"""Starts Kinto on loopback and a free port, its records in memory; prints the port."""

import warnings

from kinto import main
from waitress import create_server

if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="HTTPS is not enabled")
    app = main(
        {},
        **{
            "kinto.storage_backend": "kinto.core.storage.memory",
            "kinto.cache_backend": "kinto.core.cache.memory",
            "kinto.permission_backend": "kinto.core.permission.memory",
            "kinto.userid_hmac_secret": "of this start only",
            "kinto.bucket_create_principals": "system.Authenticated",
            "kinto.paginate_by": "10",
            "kinto.backoff": "1",
            "multiauth.policies": "basicauth",
            "multiauth.policy.basicauth.use": "kinto.core.authentication.BasicAuthAuthenticationPolicy",
        },
    )
    server = create_server(app, host="127.0.0.1", port=0)
    print(server.effective_port, flush=True)
    server.run()
