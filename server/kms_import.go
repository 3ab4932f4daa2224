package server

import (
	"time"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// kmsImportRoutes are the operations on imported key material.
func kmsImportRoutes() []*route {
	return []*route{
		use(kmsOp("GetParametersForImport"), levelRead, onKeyID("kms:GetParametersForImport",
			func(in *kmsapi.GetParametersForImportRequest) *string { return in.KeyId }), parametersReady, getParametersForImport).slow(),
		preparing(change(kmsOp("ImportKeyMaterial"), levelWrite, onKeyID("kms:ImportKeyMaterial",
			func(in *kmsapi.ImportKeyMaterialRequest) *string { return in.KeyId }), importKeyMaterial), prepareImport),
		change(kmsOp("DeleteImportedKeyMaterial"), levelWrite, onKeyID("kms:DeleteImportedKeyMaterial",
			func(in *kmsapi.DeleteImportedKeyMaterialRequest) *string { return in.KeyId }), deleteImportedKeyMaterial),
	}
}

func parametersReady(c *call, _ *kmsapi.GetParametersForImportRequest) error {
	return c.key.CheckImport()
}

func getParametersForImport(s *Server, c *call, in *kmsapi.GetParametersForImportRequest) (*kmsapi.GetParametersForImportResponse, error) {
	p, err := s.KMS.ParametersForImport(c.ctx, c.key, string(api.Value(in.WrappingAlgorithm)), string(api.Value(in.WrappingKeySpec)))
	if err != nil {
		return nil, err
	}
	return &kmsapi.GetParametersForImportResponse{
		KeyId: new(c.key.ARN()), ImportToken: p.Token, PublicKey: p.Public, ParametersValidTo: api.At(p.ValidTo),
	}, nil
}

// expires reads when imported material is to expire: zero for never.
func expires(s *Server, in *kmsapi.ImportKeyMaterialRequest) (time.Time, error) {
	refuse := func(text string) (time.Time, error) {
		return time.Time{}, &kms.Error{Code: kms.CodeValidation, Message: text}
	}
	switch never := expirationModel(in) == kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire; {
	case never && in.ValidTo != nil:
		return refuse("A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")
	case never:
		return time.Time{}, nil
	case in.ValidTo == nil:
		return refuse("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	}
	return in.ValidTo.Time, s.KMS.CheckExpiry(in.ValidTo.Time)
}

func expirationModel(in *kmsapi.ImportKeyMaterialRequest) kmsapi.ExpirationModelType {
	if in.ExpirationModel == nil {
		return kmsapi.ExpirationModelTypeKeyMaterialExpires
	}
	return *in.ExpirationModel
}

// importFacts has the expiration model also where it is the default.
func importFacts(in *kmsapi.ImportKeyMaterialRequest) []authz.Fact {
	facts := []authz.Fact{{Key: "kms:ExpirationModel", Values: []string{string(expirationModel(in))}}}
	if in.ValidTo != nil {
		facts = append(facts, authz.Fact{Key: "kms:ValidTo", Values: []string{in.ValidTo.UTC().Format(time.RFC3339)}})
	}
	return facts
}

// prepareImport brings the material into the token before the transaction. What is
// not stored then is nowhere.
func prepareImport(s *Server, c *call, in *kmsapi.ImportKeyMaterialRequest) (err error) {
	if err := c.key.CheckImport(); err != nil {
		return err
	}
	if _, err := expires(s, in); err != nil {
		return err
	}
	c.material, err = s.KMS.OpenImport(c.ctx, c.key, in.ImportToken, in.EncryptedKeyMaterial)
	c.undo = func() { s.KMS.Deleted(c.key, c.material) }
	return err
}

func importKeyMaterial(s *Server, c *call, tx kms.Tx, in *kmsapi.ImportKeyMaterialRequest) (*kmsapi.ImportKeyMaterialResponse, error) {
	at, err := expires(s, in)
	if err != nil {
		return nil, err
	}
	err = s.KMS.ImportKeyMaterial(tx, c.key, c.material, kms.Import{
		Type: string(api.Value(in.ImportType)), MaterialID: api.Value(in.KeyMaterialId),
		Description: in.KeyMaterialDescription, Expires: at,
	})
	return &kmsapi.ImportKeyMaterialResponse{KeyId: new(c.key.ARN()), KeyMaterialId: shownID(c.key, c.material)}, err
}

func deleteImportedKeyMaterial(s *Server, c *call, tx kms.Tx, in *kmsapi.DeleteImportedKeyMaterialRequest) (*kmsapi.DeleteImportedKeyMaterialResponse, error) {
	m, err := s.KMS.DeleteImportedKeyMaterial(tx, c.key, api.Value(in.KeyMaterialId))
	if err != nil {
		return nil, err
	}
	c.done = func() { s.KMS.Deleted(c.key, m) }
	return &kmsapi.DeleteImportedKeyMaterialResponse{KeyId: new(c.key.ARN()), KeyMaterialId: shownID(c.key, m)}, nil
}

// shownID is the id of material as answers have it: of encryption keys only.
func shownID(k *kms.Key, m kms.Material) *string {
	if !k.Symmetric() || m.ID == "" {
		return nil
	}
	return &m.ID
}

// expiration is how AWS describes an expiry.
func expiration(at time.Time) (*kmsapi.ExpirationModelType, *api.Timestamp) {
	if at.IsZero() {
		return new(kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire), nil
	}
	return new(kmsapi.ExpirationModelTypeKeyMaterialExpires), api.At(at)
}
