package kms

import (
	"slices"

	"github.com/keyd-hsm/keyd/hsm"
)

// Key specs, usages and origins, in AWS's words.
const (
	SymmetricDefault = "SYMMETRIC_DEFAULT"

	EncryptDecrypt         = "ENCRYPT_DECRYPT"
	SignVerify             = "SIGN_VERIFY"
	GenerateVerifyMAC      = "GENERATE_VERIFY_MAC"
	KeyAgreement           = "KEY_AGREEMENT"
	EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE"

	OriginKMS = "AWS_KMS"
)

// A spec is what keys of one key spec are and can do.
type spec struct {
	kind hsm.KeyType // 0: no token that package hsm speaks of makes such keys
	// needs is the PKCS#11 mechanism that such keys work with, where tokens
	// commonly lack it.
	needs string
	// resident keys stay on the token, which cannot wrap them.
	resident bool
	// slow keys take a token seconds to make.
	slow bool
	// algorithms by key usage; the usages are those with an entry.
	algorithms map[string][]string
}

var (
	rsaAlgorithms = map[string][]string{
		EncryptDecrypt: {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"},
		SignVerify: {
			"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
			"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
		},
	}
	mldsaAlgorithms = map[string][]string{SignVerify: {"ML_DSA_SHAKE_256"}}
	mlkemAlgorithms = map[string][]string{EncapsulateDecapsulate: {"ML_KEM"}}
)

// specs are the key specs of the API: AWS's page "Key spec reference".
var specs = map[string]*spec{
	SymmetricDefault: {kind: hsm.HMACSHA256, algorithms: map[string][]string{EncryptDecrypt: {SymmetricDefault}}},

	"HMAC_224": {kind: hsm.HMACSHA224, algorithms: map[string][]string{GenerateVerifyMAC: {"HMAC_SHA_224"}}},
	"HMAC_256": {kind: hsm.HMACSHA256, algorithms: map[string][]string{GenerateVerifyMAC: {"HMAC_SHA_256"}}},
	"HMAC_384": {kind: hsm.HMACSHA384, algorithms: map[string][]string{GenerateVerifyMAC: {"HMAC_SHA_384"}}},
	"HMAC_512": {kind: hsm.HMACSHA512, algorithms: map[string][]string{GenerateVerifyMAC: {"HMAC_SHA_512"}}},

	"RSA_2048": {kind: hsm.RSA2048, slow: true, algorithms: rsaAlgorithms},
	"RSA_3072": {kind: hsm.RSA3072, slow: true, algorithms: rsaAlgorithms},
	"RSA_4096": {kind: hsm.RSA4096, slow: true, algorithms: rsaAlgorithms},

	"ECC_NIST_P256":   {kind: hsm.P256, algorithms: curveAlgorithms("ECDSA_SHA_256")},
	"ECC_NIST_P384":   {kind: hsm.P384, algorithms: curveAlgorithms("ECDSA_SHA_384")},
	"ECC_NIST_P521":   {kind: hsm.P521, algorithms: curveAlgorithms("ECDSA_SHA_512")},
	"ECC_SECG_P256K1": {kind: hsm.Secp256k1, algorithms: map[string][]string{SignVerify: {"ECDSA_SHA_256"}}},
	"ECC_NIST_EDWARDS25519": {
		kind: hsm.Ed25519, resident: true,
		algorithms: map[string][]string{SignVerify: {"ED25519_SHA_512"}},
	},

	"ML_DSA_44":   {needs: "CKM_ML_DSA", algorithms: mldsaAlgorithms},
	"ML_DSA_65":   {needs: "CKM_ML_DSA", algorithms: mldsaAlgorithms},
	"ML_DSA_87":   {needs: "CKM_ML_DSA", algorithms: mldsaAlgorithms},
	"ML_KEM_512":  {needs: "CKM_ML_KEM", algorithms: mlkemAlgorithms},
	"ML_KEM_768":  {needs: "CKM_ML_KEM", algorithms: mlkemAlgorithms},
	"ML_KEM_1024": {needs: "CKM_ML_KEM", algorithms: mlkemAlgorithms},
	"SM2": {needs: "CKM_SM2", algorithms: map[string][]string{
		EncryptDecrypt: {"SM2PKE"}, SignVerify: {"SM2DSA"}, KeyAgreement: {"ECDH"},
	}},
}

func curveAlgorithms(signing string) map[string][]string {
	return map[string][]string{SignVerify: {signing}, KeyAgreement: {"ECDH"}}
}

// checkSpec gives the usage of a new key and refuses combinations that no key
// has, as CreateKey does, and keys that the token cannot make.
func (s *Service) checkSpec(name, usage string) (string, error) {
	sp := specs[name]
	switch {
	case sp == nil:
		return "", refuse(CodeValidation, "KeySpec %s is not known.", name)
	case usage == "" && name == SymmetricDefault:
		usage = EncryptDecrypt
	case usage == "":
		return "", refuse(CodeValidation, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	case sp.algorithms[usage] == nil:
		return "", refuse(CodeValidation, "KeyUsage %s is not compatible with KeySpec %s.", usage, name)
	}
	return usage, s.canMake(name)
}

// canMake refuses a key spec for which the token has no mechanism.
func (s *Service) canMake(name string) error {
	sp := specs[name]
	switch {
	case sp.kind != 0:
		return nil // what is missing for these, the token itself says
	case s.token.Capabilities().Has(sp.needs):
		return refuse(CodeUnsupportedOperation, "KeySpec %s needs %s, which keyd does not use.", name, sp.needs)
	}
	return refuse(CodeUnsupportedOperation, "KeySpec %s needs %s, which the token does not have.", name, sp.needs)
}

// Algorithms are what the key can be used with: of encryption, signing, MAC,
// key agreement or encapsulation, by its usage.
func (k *Key) Algorithms() []string { return specs[k.Spec].algorithms[k.Usage] }

// Symmetric reports whether the key is a symmetric encryption key: the only kind
// with an encryption context, data keys and rotation.
func (k *Key) Symmetric() bool { return k.Spec == SymmetricDefault }

// Asymmetric reports whether the key is a pair.
func (k *Key) Asymmetric() bool { return !k.Symmetric() && k.Usage != GenerateVerifyMAC }

// UsedFor refuses an operation that is not of the key's usage.
func (k *Key) UsedFor(usage, operation string) error {
	if k.Usage != usage {
		return refuse(CodeInvalidKeyUsage, "%s key usage is %s which is not valid for %s.", k.ARN(), k.Usage, operation)
	}
	return nil
}

// Takes refuses an algorithm that is not one of the key's.
func (k *Key) Takes(algorithm string) error {
	if slices.Contains(k.Algorithms(), algorithm) {
		return nil
	}
	if algorithm == ed25519Prehashed && k.Spec == "ECC_NIST_EDWARDS25519" {
		return refuse(CodeUnsupportedOperation,
			"Algorithm %s needs CKM_EDDSA with a digest (Ed25519ph), which the token does not have.", algorithm)
	}
	return refuse(CodeInvalidKeyUsage, "Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec)
}

// hsmUse is what the token lets the private key do.
func (k *Key) hsmUse() hsm.Use {
	switch {
	case !k.Asymmetric():
		return 0
	case k.Usage == SignVerify:
		return hsm.Sign
	case k.Usage == EncryptDecrypt:
		return hsm.Decrypt
	}
	return hsm.Derive
}
