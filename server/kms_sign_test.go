package server_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// digestOf hashes as the algorithm does; nil for Ed25519.
func digestOf(algorithm string, message []byte) []byte {
	h, ok := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[algorithm[len(algorithm)-3:]]
	if !ok || strings.HasPrefix(algorithm, "ED25519") {
		return nil
	}
	w := h.New()
	w.Write(message)
	return w.Sum(nil)
}

// verifiedByGo checks a signature with the standard library; secp256k1, which it
// does not know, is left to OpenSSL.
func verifiedByGo(t *testing.T, spki []byte, algorithm string, message, signature []byte) bool {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return strings.Contains(err.Error(), "unsupported elliptic curve")
	}
	digest := digestOf(algorithm, message)
	hash := map[int]crypto.Hash{32: crypto.SHA256, 48: crypto.SHA384, 64: crypto.SHA512}[len(digest)]
	switch pub := public.(type) {
	case *rsa.PublicKey:
		if strings.Contains(algorithm, "PSS") {
			return rsa.VerifyPSS(pub, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(pub, hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, message, signature)
	}
	return false
}

// verifiedByOpenSSL checks a signature with the openssl command.
func verifiedByOpenSSL(t *testing.T, spki []byte, algorithm string, message, signature []byte) bool {
	t.Helper()
	files := map[string][]byte{"pub": spki, "sig": signature, "in": digestOf(algorithm, message)}
	args := []string{"pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "pub", "-sigfile", "sig", "-in", "in"}
	hash := "digest:sha" + algorithm[len(algorithm)-3:]
	switch {
	case strings.HasPrefix(algorithm, "ED25519"):
		files["in"] = message
		args = append(args, "-rawin")
	case strings.Contains(algorithm, "PSS"):
		args = append(args, "-pkeyopt", hash, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
	case strings.Contains(algorithm, "PKCS1"):
		args = append(args, "-pkeyopt", hash)
	}
	_, err := openssl(t, files, args...)
	return err == nil
}

// TestSign: every signing algorithm of every spec, RAW and DIGEST, against Go's
// crypto and OpenSSL; and the same signature through Verify.
func TestSign(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	for _, is := range specCases {
		if is.usage != "SIGN_VERIFY" {
			continue
		}
		m := ring.key(t, is.spec, is.usage)
		spki := ring.public(t, m.KeyId)
		for _, algorithm := range is.algorithms {
			t.Run(string(is.spec)+" "+algorithm, func(t *testing.T) { signAndVerify(t, ring, m, spki, algorithm) })
		}
	}
}

func signAndVerify(t *testing.T, ring *keyring, m *types.KeyMetadata, spki []byte, algorithm string) {
	ctx := t.Context()
	message := bytes.Repeat([]byte("message "), 512) // the longest there may be
	a := types.SigningAlgorithmSpec(algorithm)
	try := func(signed, verified types.MessageType, input, other []byte) {
		t.Helper()
		out, err := ring.c.Sign(ctx, &kms.SignInput{KeyId: m.KeyId, Message: input, MessageType: signed, SigningAlgorithm: a})
		if err != nil {
			t.Fatalf("%s: %v", signed, err)
		}
		if *out.KeyId != *m.Arn || out.SigningAlgorithm != a {
			t.Errorf("answer of %s, %s", *out.KeyId, out.SigningAlgorithm)
		}
		if !verifiedByGo(t, spki, algorithm, message, out.Signature) || !verifiedByOpenSSL(t, spki, algorithm, message, out.Signature) {
			t.Errorf("%s: signature does not verify", signed)
		}
		in := kms.VerifyInput{KeyId: m.KeyId, Message: other, MessageType: verified, SigningAlgorithm: a, Signature: out.Signature}
		v, err := ring.c.Verify(ctx, &in)
		if err != nil || !v.SignatureValid || *v.KeyId != *m.Arn || v.SigningAlgorithm != a {
			t.Errorf("%s: %+v, %v", verified, v, err)
		}
		wrong := in
		wrong.Signature = bytes.Clone(out.Signature)
		wrong.Signature[len(wrong.Signature)/2] ^= 1
		_, err = ring.c.Verify(ctx, &wrong)
		refused(t, "changed signature", err, "KMSInvalidSignatureException", "")
		wrong.Signature = cut(out.Signature)
		_, err = ring.c.Verify(ctx, &wrong)
		refused(t, "cut signature", err, "KMSInvalidSignatureException", "")
		wrong = in
		wrong.Message = bytes.Clone(other)
		wrong.Message[0] ^= 1
		_, err = ring.c.Verify(ctx, &wrong)
		refused(t, "other message", err, "KMSInvalidSignatureException", "")
	}
	digest := digestOf(algorithm, message)
	if digest == nil {
		try("", "RAW", message, message)
		return
	}
	// A digest is never hashed again: what was signed as digest verifies as the
	// message it is of, and the other way round.
	try("RAW", "DIGEST", message, digest)
	try("DIGEST", "RAW", digest, message)
}

// TestSignRefuses provokes the exceptions of Sign and Verify.
func TestSignRefuses(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	c, ctx := ring.c, t.Context()
	key := ring.key(t, "ECC_NIST_P256", "SIGN_VERIFY")
	agreement := ring.key(t, "ECC_NIST_P256", "KEY_AGREEMENT")
	edwards := ring.key(t, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY")
	symmetric := kit.NewKey(region)
	signature := must(c.Sign(ctx, &kms.SignInput{KeyId: key.KeyId, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})).Signature
	const absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
	for name, is := range map[string]struct {
		in         kms.SignInput
		code, text string
	}{
		"absent":         {kms.SignInput{KeyId: new(absent), SigningAlgorithm: "ECDSA_SHA_256"}, "NotFoundException", "does not exist"},
		"encryption key": {kms.SignInput{KeyId: &symmetric, SigningAlgorithm: "ECDSA_SHA_256"}, "InvalidKeyUsageException", symmetric + " key usage is ENCRYPT_DECRYPT which is not valid for "},
		"agreement key":  {kms.SignInput{KeyId: agreement.KeyId, SigningAlgorithm: "ECDSA_SHA_256"}, "InvalidKeyUsageException", *agreement.Arn + " key usage is KEY_AGREEMENT which is not valid for "},
		"algorithm":      {kms.SignInput{KeyId: key.KeyId, SigningAlgorithm: "ECDSA_SHA_384"}, "InvalidKeyUsageException", "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256."},
		"enum":           {kms.SignInput{KeyId: key.KeyId, SigningAlgorithm: "MD5"}, "ValidationException", "Value 'MD5' at 'signingAlgorithm' failed to satisfy constraint"},
		"short digest":   {kms.SignInput{KeyId: key.KeyId, SigningAlgorithm: "ECDSA_SHA_256", MessageType: "DIGEST"}, "ValidationException", "Digest is invalid length for algorithm ECDSA_SHA_256."},
		"external mu":    {kms.SignInput{KeyId: key.KeyId, SigningAlgorithm: "ECDSA_SHA_256", MessageType: "EXTERNAL_MU"}, "ValidationException", "Message type EXTERNAL_MU is incompatible with algorithm ECDSA_SHA_256."},
		"Ed25519 digest": {kms.SignInput{KeyId: edwards.KeyId, SigningAlgorithm: "ED25519_SHA_512", MessageType: "DIGEST"}, "ValidationException", "Message type DIGEST is incompatible with algorithm ED25519_SHA_512."},
		"Ed25519ph":      {kms.SignInput{KeyId: edwards.KeyId, SigningAlgorithm: "ED25519_PH_SHA_512", MessageType: "DIGEST"}, "UnsupportedOperationException", "Ed25519ph"},
		"Ed25519 ECDSA":  {kms.SignInput{KeyId: edwards.KeyId, SigningAlgorithm: "ECDSA_SHA_512"}, "InvalidKeyUsageException", "Algorithm ECDSA_SHA_512 is incompatible with key spec ECC_NIST_EDWARDS25519."},
		"token":          {kms.SignInput{KeyId: key.KeyId, SigningAlgorithm: "ECDSA_SHA_256", GrantTokens: []string{"none"}}, "InvalidGrantTokenException", ""},
		"dry run":        {kms.SignInput{KeyId: key.KeyId, SigningAlgorithm: "ECDSA_SHA_256", DryRun: new(true)}, "DryRunOperationException", "would have succeeded"},
	} {
		is.in.Message = []byte("m")
		_, err := c.Sign(ctx, &is.in)
		text := strings.Replace(is.text, "valid for ", "valid for Sign.", 1)
		refusedAs(t, "Sign: "+name, err, is.code, text)
		in := kms.VerifyInput{
			KeyId: is.in.KeyId, Message: is.in.Message, MessageType: is.in.MessageType, SigningAlgorithm: is.in.SigningAlgorithm,
			GrantTokens: is.in.GrantTokens, DryRun: is.in.DryRun, Signature: signature,
		}
		_, err = c.Verify(ctx, &in)
		refusedAs(t, "Verify: "+name, err, is.code, strings.Replace(is.text, "valid for ", "valid for Verify.", 1))
	}
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key.KeyId}))
	_, err := c.Sign(ctx, &kms.SignInput{KeyId: key.KeyId, Message: []byte("m"), SigningAlgorithm: "RSASSA_PSS_SHA_256"})
	refused(t, "disabled comes before the algorithm", err, "DisabledException", "is disabled.")
	_, err = c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: key.KeyId})
	refused(t, "public key of a disabled key", err, "DisabledException", "is disabled.")
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId}))
	_, err = c.Verify(ctx, &kms.VerifyInput{KeyId: key.KeyId, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256", Signature: signature})
	refused(t, "pending", err, "KMSInvalidStateException", "is pending deletion.")
}

// refusedAs is refused for a table in which "" is any message.
func refusedAs(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	if text == "" && err != nil && strings.Contains(err.Error(), code) {
		return
	}
	refused(t, what, err, code, text)
}
