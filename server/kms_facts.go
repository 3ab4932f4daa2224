package server

import (
	"maps"
	"slices"
	"strconv"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// keyFacts are the condition keys of section 12 that the request to an operation
// on one key gives, beside those of the key.
func keyFacts(in any) []authz.Fact {
	switch in := in.(type) {
	case *kmsapi.EncryptRequest:
		return cryptoFacts(in.KeyId, in.EncryptionAlgorithm, in.EncryptionContext)
	case *kmsapi.DecryptRequest:
		return cryptoFacts(in.KeyId, in.EncryptionAlgorithm, in.EncryptionContext)
	case *kmsapi.GenerateDataKeyRequest:
		return cryptoFacts(in.KeyId, nil, in.EncryptionContext)
	case *kmsapi.GenerateDataKeyWithoutPlaintextRequest:
		return cryptoFacts(in.KeyId, nil, in.EncryptionContext)
	case *kmsapi.GenerateDataKeyPairRequest:
		return keyPairFacts(in.KeyId, in.KeyPairSpec, in.EncryptionContext)
	case *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest:
		return keyPairFacts(in.KeyId, in.KeyPairSpec, in.EncryptionContext)
	case *kmsapi.SignRequest:
		return signingFacts(in.KeyId, in.SigningAlgorithm, in.MessageType)
	case *kmsapi.VerifyRequest:
		return signingFacts(in.KeyId, in.SigningAlgorithm, in.MessageType)
	case *kmsapi.GenerateMacRequest:
		return oneFact("kms:MacAlgorithm", string(api.Value(in.MacAlgorithm)), in.KeyId)
	case *kmsapi.VerifyMacRequest:
		return oneFact("kms:MacAlgorithm", string(api.Value(in.MacAlgorithm)), in.KeyId)
	case *kmsapi.DeriveSharedSecretRequest:
		return oneFact("kms:KeyAgreementAlgorithm", string(api.Value(in.KeyAgreementAlgorithm)), in.KeyId)
	case *kmsapi.GetPublicKeyRequest:
		return aliasFact(nil, in.KeyId)
	case *kmsapi.EncapsulateRequest:
		return aliasFact(nil, in.KeyId)
	case *kmsapi.DecapsulateRequest:
		return aliasFact(nil, in.KeyId)
	case *kmsapi.DescribeKeyRequest:
		return aliasFact(nil, in.KeyId)
	case *kmsapi.CreateGrantRequest:
		return createGrantFacts(in)
	case *kmsapi.ListGrantsRequest, *kmsapi.RevokeGrantRequest:
		return []authz.Fact{forAWSResource}
	case *kmsapi.TagResourceRequest:
		return tagFacts(nil, in.Tags)
	case *kmsapi.UntagResourceRequest:
		return untagFacts(in)
	case *kmsapi.PutKeyPolicyRequest:
		return bypassFacts(in.BypassPolicyLockoutSafetyCheck)
	case *kmsapi.ReplicateKeyRequest:
		region := authz.Fact{Key: "kms:ReplicaRegion", Values: []string{api.Value(in.ReplicaRegion)}}
		return append(tagFacts(bypassFacts(in.BypassPolicyLockoutSafetyCheck), in.Tags), region)
	case *kmsapi.UpdatePrimaryRegionRequest:
		return []authz.Fact{{Key: "kms:PrimaryRegion", Values: []string{api.Value(in.PrimaryRegion)}}}
	case *kmsapi.GetParametersForImportRequest:
		return []authz.Fact{
			{Key: "kms:WrappingAlgorithm", Values: []string{string(api.Value(in.WrappingAlgorithm))}},
			{Key: "kms:WrappingKeySpec", Values: []string{string(api.Value(in.WrappingKeySpec))}},
		}
	case *kmsapi.ImportKeyMaterialRequest:
		return importFacts(in)
	case *kmsapi.EnableKeyRotationRequest:
		return rotationFacts(in)
	case *kmsapi.ScheduleKeyDeletionRequest:
		days := int32(kms.DefaultPendingWindow)
		if in.PendingWindowInDays != nil {
			days = *in.PendingWindowInDays
		}
		return []authz.Fact{{Key: "kms:ScheduleKeyDeletionPendingWindowInDays", Values: []string{strconv.Itoa(int(days))}}}
	}
	return nil
}

// cryptoFacts are those of encryption and decryption. The algorithm has a
// default, as AWS's condition key has.
func cryptoFacts(ref *string, algorithm *kmsapi.EncryptionAlgorithmSpec, context map[string]string) []authz.Fact {
	name := kms.SymmetricDefault
	if algorithm != nil {
		name = string(*algorithm)
	}
	facts := make([]authz.Fact, 0, len(context)+3)
	facts = append(facts, authz.Fact{Key: "kms:encryptionalgorithm", Values: []string{name}})
	return aliasFact(contextFacts(facts, context), ref)
}

// oneFact is that of an operation with one algorithm.
func oneFact(key, value string, ref *string) []authz.Fact {
	return aliasFact([]authz.Fact{{Key: key, Values: []string{value}}}, ref)
}

// signingFacts are those of Sign and Verify. The message type has a default.
func signingFacts(ref *string, algorithm *kmsapi.SigningAlgorithmSpec, t *kmsapi.MessageType) []authz.Fact {
	return append(oneFact("kms:SigningAlgorithm", string(api.Value(algorithm)), ref),
		authz.Fact{Key: "kms:MessageType", Values: []string{messageType(t)}})
}

// keyPairFacts are those of data key pairs, which are encrypted under a symmetric
// key.
func keyPairFacts(ref *string, spec *kmsapi.DataKeyPairSpec, context map[string]string) []authz.Fact {
	return append(cryptoFacts(ref, nil, context),
		authz.Fact{Key: "kms:DataKeyPairSpec", Values: []string{string(api.Value(spec))}})
}

// contextFacts adds the pairs of an encryption context, and their keys.
func contextFacts(facts []authz.Fact, context map[string]string) []authz.Fact {
	if len(context) == 0 {
		return facts
	}
	for key, value := range context {
		facts = append(facts, authz.Fact{Key: "kms:EncryptionContext:" + key, Values: []string{value}})
	}
	keys := slices.Sorted(maps.Keys(context))
	return append(facts, authz.Fact{Key: "kms:encryptioncontextkeys", Values: keys, List: true})
}

// aliasFact adds kms:RequestAlias where the request named the key by an alias.
func aliasFact(facts []authz.Fact, ref *string) []authz.Fact {
	if alias := kms.AliasNamed(api.Value(ref)); alias != "" {
		facts = append(facts, authz.Fact{Key: "kms:requestalias", Values: []string{alias}})
	}
	return facts
}

// bypassFacts is there only if the parameter was sent (rule 9.2).
func bypassFacts(bypass *bool) []authz.Fact {
	if bypass == nil {
		return nil
	}
	return []authz.Fact{{Key: "kms:BypassPolicyLockoutSafetyCheck", Values: []string{strconv.FormatBool(*bypass)}}}
}

// reEncryptFacts are those of one direction of ReEncrypt.
func reEncryptFacts(ref *string, algorithm *kmsapi.EncryptionAlgorithmSpec, context map[string]string, same bool) []authz.Fact {
	facts := cryptoFacts(ref, algorithm, context)
	return append(facts, authz.Fact{Key: "kms:ReEncryptOnSameKey", Values: []string{strconv.FormatBool(same)}})
}

// createKeyFacts are those of CreateKey, defaults included.
func createKeyFacts(caller string, in *kmsapi.CreateKeyRequest) []authz.Fact {
	text := func(value, otherwise string) []string {
		if value == "" {
			value = otherwise
		}
		return []string{value}
	}
	spec := string(api.Value(in.KeySpec))
	if spec == "" {
		spec = string(api.Value(in.CustomerMasterKeySpec))
	}
	facts := append(bypassFacts(in.BypassPolicyLockoutSafetyCheck),
		authz.Fact{Key: "kms:CallerAccount", Values: []string{caller}},
		authz.Fact{Key: "kms:KeySpec", Values: text(spec, kms.SymmetricDefault)},
		authz.Fact{Key: "kms:KeyUsage", Values: text(string(api.Value(in.KeyUsage)), kms.EncryptDecrypt)},
		authz.Fact{Key: "kms:KeyOrigin", Values: text(string(api.Value(in.Origin)), kms.OriginKMS)},
		authz.Fact{Key: "kms:MultiRegion", Values: []string{strconv.FormatBool(api.Value(in.MultiRegion))}})
	if api.Value(in.MultiRegion) {
		facts = append(facts, authz.Fact{Key: "kms:MultiRegionKeyType", Values: []string{kms.TypePrimary}})
	}
	return tagFacts(facts, in.Tags)
}

// tagFacts adds what a request says of tags.
func tagFacts(facts []authz.Fact, tags []kmsapi.Tag) []authz.Fact {
	if len(tags) == 0 {
		return facts
	}
	var keys []string
	for _, t := range tags {
		keys = append(keys, api.Value(t.TagKey))
		facts = append(facts, authz.Fact{Key: "aws:RequestTag/" + api.Value(t.TagKey), Values: []string{api.Value(t.TagValue)}})
	}
	return append(facts, authz.Fact{Key: "aws:TagKeys", Values: keys, List: true})
}
