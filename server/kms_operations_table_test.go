package server_test

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// unservedUse is the answer to operations whose keys no token of these tests can
// make.
var unservedUse = map[string]string{
	"Encapsulate": "InvalidKeyUsageException", "Decapsulate": "InvalidKeyUsageException",
}

// name is one that was not given before.
func (f *operations) name() string {
	f.mark++
	return fmt.Sprintf("name-%d", f.mark)
}

func (f *operations) newAlias() *string {
	name := "alias/" + f.name()
	must(f.c.CreateAlias(f.t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: new(f.newKey(nil))}))
	return &name
}

// newGrant makes a key with a grant that root may retire.
func (f *operations) newGrant() (key string, g *kms.CreateGrantOutput) {
	key = f.newKey(nil)
	return key, must(f.c.CreateGrant(f.t.Context(), grantInput(key)))
}

func grantInput(key string) *kms.CreateGrantInput {
	return &kms.CreateGrantInput{
		KeyId: &key, GranteePrincipal: new(rootARN), RetiringPrincipal: new(rootARN), Operations: []types.GrantOperation{"Encrypt"},
	}
}

var aTag = []types.Tag{{TagKey: new("a"), TagValue: new("b")}}

// ordinaryUse makes, for each operation, an input that succeeds.
var ordinaryUse = map[string]func(f *operations) any{
	"CancelKeyDeletion": func(f *operations) any {
		key := f.newKey(nil)
		f.schedule(key)
		return &kms.CancelKeyDeletionInput{KeyId: &key}
	},
	"ConnectCustomKeyStore": func(f *operations) any {
		f.disconnect(f.unconnected)
		return &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &f.unconnected}
	},
	"CreateAlias": func(f *operations) any {
		return &kms.CreateAliasInput{AliasName: new("alias/" + f.name()), TargetKeyId: new(f.newKey(nil))}
	},
	"CreateCustomKeyStore": func(*operations) any {
		return &kms.CreateCustomKeyStoreInput{
			CustomKeyStoreName: new("free"), CloudHsmClusterId: new(freeCluster), KeyStorePassword: new("password"),
		}
	},
	"CreateGrant": func(f *operations) any { return grantInput(f.newKey(nil)) },
	"CreateKey":   func(*operations) any { return &kms.CreateKeyInput{Tags: aTag} },
	"Decapsulate": func(f *operations) any {
		return &kms.DecapsulateInput{KeyId: &f.symmetric, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: make([]byte, 1088)}
	},
	"Decrypt":     func(f *operations) any { return &kms.DecryptInput{CiphertextBlob: f.sealed} },
	"DeleteAlias": func(f *operations) any { return &kms.DeleteAliasInput{AliasName: f.newAlias()} },
	"DeleteCustomKeyStore": func(f *operations) any {
		f.mark++
		return &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: new(f.newStore(spareCluster(f.mark % 10)))}
	},
	"DeleteImportedKeyMaterial": func(f *operations) any { return &kms.DeleteImportedKeyMaterialInput{KeyId: &f.imported} },
	"DeriveSharedSecret": func(f *operations) any {
		return &kms.DeriveSharedSecretInput{KeyId: &f.agreement, KeyAgreementAlgorithm: "ECDH", PublicKey: f.peer}
	},
	"DescribeCustomKeyStores": func(*operations) any { return &kms.DescribeCustomKeyStoresInput{} },
	"DescribeKey":             func(f *operations) any { return &kms.DescribeKeyInput{KeyId: &f.symmetric} },
	"DisableKey":              func(f *operations) any { return &kms.DisableKeyInput{KeyId: new(f.newKey(nil))} },
	"DisableKeyRotation":      func(f *operations) any { return &kms.DisableKeyRotationInput{KeyId: &f.symmetric} },
	"DisconnectCustomKeyStore": func(f *operations) any {
		f.connect(f.unconnected)
		return &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &f.unconnected}
	},
	"EnableKey":         func(f *operations) any { return &kms.EnableKeyInput{KeyId: &f.symmetric} },
	"EnableKeyRotation": func(f *operations) any { return &kms.EnableKeyRotationInput{KeyId: new(f.newKey(nil))} },
	"Encapsulate": func(f *operations) any {
		return &kms.EncapsulateInput{KeyId: &f.symmetric, EncapsulationAlgorithm: "ML_KEM"}
	},
	"Encrypt":         func(f *operations) any { return &kms.EncryptInput{KeyId: &f.symmetric, Plaintext: []byte("m")} },
	"GenerateDataKey": func(f *operations) any { return &kms.GenerateDataKeyInput{KeyId: &f.symmetric, KeySpec: "AES_256"} },
	"GenerateDataKeyPair": func(f *operations) any {
		return &kms.GenerateDataKeyPairInput{KeyId: &f.symmetric, KeyPairSpec: "ECC_NIST_P256"}
	},
	"GenerateDataKeyPairWithoutPlaintext": func(f *operations) any {
		return &kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &f.symmetric, KeyPairSpec: "ECC_NIST_P256"}
	},
	"GenerateDataKeyWithoutPlaintext": func(f *operations) any {
		return &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &f.symmetric, KeySpec: "AES_256"}
	},
	"GenerateMac": func(f *operations) any {
		return &kms.GenerateMacInput{KeyId: &f.hmac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"}
	},
	"GenerateRandom":       func(*operations) any { return &kms.GenerateRandomInput{NumberOfBytes: new(int32(8))} },
	"GetKeyLastUsage":      func(f *operations) any { return &kms.GetKeyLastUsageInput{KeyId: &f.symmetric} },
	"GetKeyPolicy":         func(f *operations) any { return &kms.GetKeyPolicyInput{KeyId: &f.symmetric} },
	"GetKeyRotationStatus": func(f *operations) any { return &kms.GetKeyRotationStatusInput{KeyId: &f.symmetric} },
	"GetParametersForImport": func(f *operations) any {
		return &kms.GetParametersForImportInput{KeyId: &f.importing, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"}
	},
	"GetPublicKey": func(f *operations) any { return &kms.GetPublicKeyInput{KeyId: &f.ecc} },
	"ImportKeyMaterial": func(f *operations) any {
		in := f.importInput
		return &in
	},
	"ListAliases": func(f *operations) any {
		f.newAlias()
		return &kms.ListAliasesInput{}
	},
	"ListGrants": func(f *operations) any {
		key, _ := f.newGrant()
		return &kms.ListGrantsInput{KeyId: &key}
	},
	"ListKeyPolicies": func(f *operations) any { return &kms.ListKeyPoliciesInput{KeyId: &f.symmetric} },
	"ListKeyRotations": func(f *operations) any {
		return &kms.ListKeyRotationsInput{KeyId: &f.symmetric, IncludeKeyMaterial: "ALL_KEY_MATERIAL"}
	},
	"ListKeys":            func(*operations) any { return &kms.ListKeysInput{} },
	"ListResourceTags":    func(f *operations) any { return &kms.ListResourceTagsInput{KeyId: &f.symmetric} },
	"ListRetirableGrants": func(*operations) any { return &kms.ListRetirableGrantsInput{RetiringPrincipal: new(rootARN)} },
	"PutKeyPolicy": func(f *operations) any {
		return &kms.PutKeyPolicyInput{KeyId: &f.symmetric, Policy: new(f.kit.Service.DefaultPolicy())}
	},
	"ReEncrypt": func(f *operations) any {
		return &kms.ReEncryptInput{CiphertextBlob: f.sealed, DestinationKeyId: &f.primary}
	},
	"ReplicateKey": func(f *operations) any {
		return &kms.ReplicateKeyInput{KeyId: new(f.multiRegion()), ReplicaRegion: new(westRegion), Tags: aTag}
	},
	"RetireGrant": func(f *operations) any {
		key, g := f.newGrant()
		return &kms.RetireGrantInput{KeyId: new(keyARN(key)), GrantId: g.GrantId}
	},
	"RevokeGrant": func(f *operations) any {
		key, g := f.newGrant()
		return &kms.RevokeGrantInput{KeyId: &key, GrantId: g.GrantId}
	},
	"RotateKeyOnDemand":   func(f *operations) any { return &kms.RotateKeyOnDemandInput{KeyId: new(f.newKey(nil))} },
	"ScheduleKeyDeletion": func(f *operations) any { return &kms.ScheduleKeyDeletionInput{KeyId: new(f.newKey(nil))} },
	"Sign": func(f *operations) any {
		return &kms.SignInput{KeyId: &f.ecc, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"}
	},
	"TagResource": func(f *operations) any { return &kms.TagResourceInput{KeyId: &f.symmetric, Tags: aTag} },
	"UntagResource": func(f *operations) any {
		return &kms.UntagResourceInput{KeyId: &f.symmetric, TagKeys: []string{"a"}}
	},
	"UpdateAlias": func(f *operations) any {
		return &kms.UpdateAliasInput{AliasName: f.newAlias(), TargetKeyId: new(f.newKey(nil))}
	},
	"UpdateCustomKeyStore": func(f *operations) any {
		f.disconnect(f.unconnected)
		return &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: &f.unconnected, NewCustomKeyStoreName: new(f.name())}
	},
	"UpdateKeyDescription": func(f *operations) any {
		return &kms.UpdateKeyDescriptionInput{KeyId: &f.symmetric, Description: new("d")}
	},
	"UpdatePrimaryRegion": func(f *operations) any {
		key := f.multiRegion()
		must(f.c.ReplicateKey(f.t.Context(), &kms.ReplicateKeyInput{KeyId: &key, ReplicaRegion: new(westRegion)}))
		return &kms.UpdatePrimaryRegionInput{KeyId: &key, PrimaryRegion: new(westRegion)}
	},
	"Verify": func(f *operations) any {
		return &kms.VerifyInput{KeyId: &f.ecc, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256", Signature: f.signature}
	},
	"VerifyMac": func(f *operations) any {
		return &kms.VerifyMacInput{KeyId: &f.hmac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256", Mac: f.mac}
	},
}
