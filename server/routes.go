package server

import (
	"slices"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/api/trailapi"
)

// services are the services whose operations are known by name. What is not in
// the table below is answered UnsupportedOperationException or InvalidAction.
var services = []*api.Service{kmsapi.Service, stsapi.Service, iamapi.Service, trailapi.Service, mfaapi.Service}

// routes is the table of operations: name, access level, what is resolved and
// authorized, what must be so before the work, and the work.
func routes() []*route {
	return append([]*route{
		use(kmsOp("Encrypt"), levelWrite, onKey("kms:Encrypt", encryptKey), encryptReady, encrypt),
		use(kmsOp("Decrypt"), levelWrite, resolveDecrypt, decryptReady, decrypt),
		use(kmsOp("ReEncrypt"), levelWrite, resolveReEncrypt, reEncryptReady, reEncrypt),
		use(kmsOp("GenerateDataKey"), levelWrite, onKey("kms:GenerateDataKey", dataKeyKey), dataKeyReady, generateDataKey),
		use(kmsOp("GenerateDataKeyWithoutPlaintext"), levelWrite,
			onKey("kms:GenerateDataKeyWithoutPlaintext", blindDataKeyKey), blindDataKeyReady, generateBlindDataKey),
		fromStore(use(kmsOp("GenerateRandom"), levelWrite, onNothing[kmsapi.GenerateRandomRequest]("kms:GenerateRandom"), randomReady, generateRandom)),

		preparing(change(kmsOp("CreateKey"), levelWrite, resolveCreateKey, createKey), makeKey).large().slow(),
		query(kmsOp("DescribeKey"), levelRead, onKey("kms:DescribeKey", describeKeyKey), describeKey),
		query(kmsOp("ListKeys"), levelList, onNothing[kmsapi.ListKeysRequest]("kms:ListKeys"), listKeys),
		change(kmsOp("UpdateKeyDescription"), levelWrite, onKeyID("kms:UpdateKeyDescription", updateDescriptionKey), updateKeyDescription),
		change(kmsOp("EnableKey"), levelWrite, onKeyID("kms:EnableKey", enableKeyKey), enableKey),
		change(kmsOp("DisableKey"), levelWrite, idle(onKeyID("kms:DisableKey", disableKeyKey)), disableKey),
		change(kmsOp("ScheduleKeyDeletion"), levelWrite, idle(onKeyID("kms:ScheduleKeyDeletion", scheduleKey)), scheduleKeyDeletion),
		change(kmsOp("CancelKeyDeletion"), levelWrite, onKeyID("kms:CancelKeyDeletion", cancelKey), cancelKeyDeletion),

		query(kmsOp("GetKeyPolicy"), levelRead, onKeyID("kms:GetKeyPolicy", getPolicyKey), getKeyPolicy),
		query(kmsOp("ListKeyPolicies"), levelList, onKeyID("kms:ListKeyPolicies", listPoliciesKey), listKeyPolicies),
		change(kmsOp("PutKeyPolicy"), levelPermissions, onKeyID("kms:PutKeyPolicy", putPolicyKey), putKeyPolicy).large(),

		change(kmsOp("CreateAlias"), levelWrite, resolveCreateAlias, createAlias),
		change(kmsOp("UpdateAlias"), levelWrite, resolveUpdateAlias, updateAlias),
		change(kmsOp("DeleteAlias"), levelWrite, resolveDeleteAlias, deleteAlias),
		query(kmsOp("ListAliases"), levelList, resolveListAliases, listAliases),
	}, slices.Concat(kmsStoreRoutes(), kmsKeyUseRoutes(), kmsGrantRoutes(), kmsTagRoutes(), kmsUsageRoutes(), kmsRotationRoutes(), kmsImportRoutes(), kmsReplicaRoutes(), stsRoutes(), iamEntityRoutes(), iamPolicyRoutes(), iamSimulateRoutes(), mfaRoutes())...)
}

func kmsOp(name string) api.Operation { return operation(kmsapi.Service, name) }

func stsOp(name string) api.Operation { return operation(stsapi.Service, name) }

func operation(svc *api.Service, name string) api.Operation {
	op, ok := svc.Operation(name)
	if !ok {
		panic("server: " + svc.ID + " has no operation " + name) // a row of this table is misspelt
	}
	return op
}

// Key members of the inputs, for the table.
func encryptKey(in *kmsapi.EncryptRequest) *string                              { return in.KeyId }
func dataKeyKey(in *kmsapi.GenerateDataKeyRequest) *string                      { return in.KeyId }
func blindDataKeyKey(in *kmsapi.GenerateDataKeyWithoutPlaintextRequest) *string { return in.KeyId }
func describeKeyKey(in *kmsapi.DescribeKeyRequest) *string                      { return in.KeyId }
func updateDescriptionKey(in *kmsapi.UpdateKeyDescriptionRequest) *string       { return in.KeyId }
func enableKeyKey(in *kmsapi.EnableKeyRequest) *string                          { return in.KeyId }
func disableKeyKey(in *kmsapi.DisableKeyRequest) *string                        { return in.KeyId }
func scheduleKey(in *kmsapi.ScheduleKeyDeletionRequest) *string                 { return in.KeyId }
func cancelKey(in *kmsapi.CancelKeyDeletionRequest) *string                     { return in.KeyId }
func getPolicyKey(in *kmsapi.GetKeyPolicyRequest) *string                       { return in.KeyId }
func listPoliciesKey(in *kmsapi.ListKeyPoliciesRequest) *string                 { return in.KeyId }
func putPolicyKey(in *kmsapi.PutKeyPolicyRequest) *string                       { return in.KeyId }
