"""Tests what the local AWS requires of keys for signatures, and of calls that use them."""

import base64
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "local"))

import signing_keys

SIGN = {"KeyId": "k", "Message": base64.b64encode(bytes(32)).decode(), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}


class SigningKeys(unittest.TestCase):
    def test_the_usage_of_a_key_has_to_fit_its_spec(self):
        for wrong in (
            {"KeySpec": "ECC_NIST_P256"}, {"KeySpec": "ECC_NIST_P256", "KeyUsage": "ENCRYPT_DECRYPT"},
            {"KeyUsage": "SIGN_VERIFY"}, {"CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"},
        ):
            self.assertIn("is not compatible with KeySpec", signing_keys.wrong_usage(wrong))
        for right in ({}, {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, {"KeySpec": "RSA_2048"}, {"KeySpec": "HMAC_256"}):
            self.assertIsNone(signing_keys.wrong_usage(right))

    def test_a_signature_needs_all_its_parameters(self):
        self.assertIsNone(signing_keys.mistake("Sign", SIGN))
        for field in ("KeyId", "Message", "SigningAlgorithm"):
            exception, message = signing_keys.mistake("Sign", {**SIGN, field: None})
            self.assertEqual((exception, field[1:] in message), ("ValidationException", True))
        self.assertIn("signature", signing_keys.mistake("Verify", SIGN)[1])

    def test_a_message_has_a_known_type_and_a_length(self):
        of = {"MessageType": "digest"}, {"Message": base64.b64encode(bytes(4097)).decode()}, {"MessageType": "EXTERNAL_MU"}
        for wrong in of:
            self.assertEqual(signing_keys.mistake("Sign", {**SIGN, **wrong})[0], "ValidationException", wrong)
        self.assertEqual(signing_keys.mistake("Sign", {**SIGN, "Message": "%"})[0], "SerializationException")


if __name__ == "__main__":
    unittest.main()
