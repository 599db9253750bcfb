"""Makes the emulator's KMS as strict as AWS where keys for signatures are used.

The emulator accepts keys whose usage does not fit their spec, shows the public keys of keys that cannot be used, and
guesses parameters of Sign that AWS requires. Policies cannot name aliases.
"""

import base64
import binascii
import json

# Usages of each spec (KMS API reference, CreateKey, `KeyUsage`). A usage that is missing here cannot be used locally.
USAGES = {
    "SYMMETRIC_DEFAULT": ("ENCRYPT_DECRYPT",),
    **dict.fromkeys(("RSA_2048", "RSA_3072", "RSA_4096"), ("ENCRYPT_DECRYPT", "SIGN_VERIFY")),
    **dict.fromkeys(
        ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"), ("SIGN_VERIFY",)),
}
MESSAGE_TYPES = ("RAW", "DIGEST", "EXTERNAL_MU")
LONGEST_MESSAGE = 4096  # bytes
REQUIRED = {"Sign": ("KeyId", "Message", "SigningAlgorithm"), "Verify": ("KeyId", "Message", "Signature", "SigningAlgorithm")}
# Lists of algorithms, each with the usage for which DescribeKey and GetPublicKey have it.
ALGORITHMS = {"SigningAlgorithms": "SIGN_VERIFY", "EncryptionAlgorithms": "ENCRYPT_DECRYPT"}


def mistake(operation, data):
    """Returns exception and message for a request of Sign or Verify that is invalid in itself; otherwise `None`."""
    missing = [field for field in REQUIRED[operation] if data.get(field) in (None, "")]
    if missing:
        field = missing[0][0].lower() + missing[0][1:]
        return "ValidationException", (
            f"1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null")
    kind = data.get("MessageType", "RAW")
    if kind not in MESSAGE_TYPES:
        return "ValidationException", (
            f"1 validation error detected: Value '{kind}' at 'messageType' failed to satisfy constraint: Member must satisfy "
            f"enum value set: [{', '.join(MESSAGE_TYPES)}]")
    try:
        message = base64.b64decode(data["Message"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        return "SerializationException", "The Message is not Base64."
    if not 1 <= len(message) <= LONGEST_MESSAGE:
        return "ValidationException", (
            f"1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length from 1 to "
            f"{LONGEST_MESSAGE}")
    if kind == "EXTERNAL_MU":
        return "ValidationException", "EXTERNAL_MU is for ML-DSA keys only."
    return None


def wrong_usage(data):
    """Returns the message for a new key whose usage does not fit its spec; otherwise `None`."""
    spec = data.get("KeySpec", data.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"))
    # The default of KeyUsage is for symmetric keys. For other keys, it has to be named.
    usage = data.get("KeyUsage", "ENCRYPT_DECRYPT")
    if spec not in USAGES or usage in USAGES[spec]:
        return None  # the emulator checks keys of HMAC itself, and rejects unknown specs
    return f"KeyUsage {usage} is not compatible with KeySpec {spec}."


def key_context(body):
    """Returns the condition keys of a call of KMS: the alias that it names, all aliases of its key, and what a signature
    is to be made of (KMS developer guide, "AWS KMS condition keys")."""
    from ministack.services import kms

    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}
    if not isinstance(request, dict) or not isinstance(request.get("KeyId", ""), str):
        return {}
    name = request.get("KeyId", "")
    alias = name.rpartition(":")[2] if name.startswith("arn:") else name
    key = kms._resolve_key(name)
    aliases = [arn.rpartition(":")[2] for arn, of in kms._aliases.items() if key and of == key["KeyId"]]
    found = {"kms:RequestAlias": alias if alias.startswith("alias/") else None, "kms:ResourceAliases": aliases or None}
    found.update({f"kms:{field}": request.get(field) for field in ("SigningAlgorithm", "MessageType")})
    return {field: value for field, value in found.items() if value is not None}


def install(check_pin):
    from ministack.services import kms

    check_pin(kms, {
        **dict.fromkeys(("_create_key", "_sign", "_verify", "_get_public_key"), ["data"]),
        "_key_metadata": ["rec"], "_check_key_state": ["rec"], "_resolve_key": ["key_id_or_arn"],
    })
    create_key, key_metadata, get_public_key = kms._create_key, kms._key_metadata, kms._get_public_key

    def create(data):
        wrong = wrong_usage(data)
        return kms.error_response_json("ValidationException", wrong, 400) if wrong else create_key(data)

    def metadata(record):
        """Leaves out the algorithms of other usages, as AWS does."""
        found = key_metadata(record)
        return {field: value for field, value in found.items() if ALGORITHMS.get(field, record["KeyUsage"]) == record["KeyUsage"]}

    def public_key(data):
        # A key that is disabled or is to be deleted shows no public key either (KMS API reference, GetPublicKey, errors).
        record = kms._resolve_key(data.get("KeyId", ""))
        return record and kms._check_key_state(record) or get_public_key(data)

    def checked(operation, perform):
        def call(data):
            wrong = mistake(operation, data)
            if wrong:
                return kms.error_response_json(*wrong, 400)
            record = kms._resolve_key(data["KeyId"])
            refused = record and kms._check_key_state(record)
            if refused:
                return refused
            if record and record["KeyUsage"] != "SIGN_VERIFY":
                message = f"{record['Arn']} key usage is {record['KeyUsage']} which is not valid for {operation}."
                return kms.error_response_json("InvalidKeyUsageException", message, 400)
            return perform(data)

        return call

    kms._create_key, kms._key_metadata, kms._get_public_key = create, metadata, public_key
    kms._sign, kms._verify = checked("Sign", kms._sign), checked("Verify", kms._verify)
