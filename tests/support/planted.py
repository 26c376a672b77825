"""Secrets that are planted in the environment of a run, to be looked for in what it wrote."""

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "planted-aws-key",
    "PGPASSWORD": "planted-database-password",
    "PERENNIAL_TOKEN": "planted-service-token",
    "PERENNIAL_ALERTS_URL": "http://127.0.0.1:1/planted-hook",
    "PERENNIAL_NOTIFY": "json://127.0.0.1:1/planted-address",
    "PREFECT_API_AUTH_STRING": "admin:planted-server-password",
}
