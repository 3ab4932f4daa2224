package kms

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
)

// OriginExternal is the origin of keys whose material is imported.
const OriginExternal = "EXTERNAL"

// PendingImport is the state of a key of that origin while any material that
// belongs to it is missing: not imported yet, deleted or expired.
const PendingImport State = "PendingImport"

// ImportParameters are what somebody needs to encrypt key material for a key.
type ImportParameters struct {
	Token   []byte // docs/spec/import-token.md
	Public  []byte // SubjectPublicKeyInfo
	ValidTo time.Time
}

// CheckImport refuses a key that takes no material: of another origin, or about to
// be deleted.
func (k *Key) CheckImport() error {
	if k.Origin != OriginExternal {
		return k.wrongOrigin()
	}
	return k.Kept()
}

// ParametersForImport makes a key pair for the transport of material, an RSA key of
// that spec, and the token that it comes back with. The pair is nowhere else.
func (s *Service) ParametersForImport(ctx context.Context, k *Key, algorithm, spec string) (*ImportParameters, error) {
	if err := k.checkWrapping(algorithm, spec); err != nil {
		return nil, err
	}
	pair, err := s.transportPair(ctx, spec)
	if err != nil {
		return nil, err
	}
	t := &importToken{
		algorithm: algorithm, notAfter: s.now().Add(importLife),
		domain: pair.Domain, wrapped: pair.Wrapped, public: pair.Public,
	}
	sealed, err := s.sealImportToken(ctx, k, t)
	if err != nil {
		return nil, err
	}
	return &ImportParameters{Token: sealed, Public: t.public, ValidTo: t.notAfter}, nil
}

// transportPair takes a pair out of the pool for good, or makes one.
func (s *Service) transportPair(ctx context.Context, spec string) (Material, error) {
	draft := &Key{Spec: spec, Usage: EncryptDecrypt}
	m, err := s.takePooled(ctx, draft)
	if err != nil {
		return Material{}, err
	}
	if m.pooled == "" {
		m, err = s.makeMaterial(ctx, draft, 0)
		if err == nil {
			s.token.Forget(m.key(draft))
		}
		return m, err
	}
	// A crash after this line has used up a pair of the pool, and no more.
	err = s.db.Update(ctx, func(tx Tx) error { return drawPooled(tx, m) })
	if err != nil {
		s.giveBack(m)
	}
	return m, err
}

// checkWrapping refuses wrapping algorithms that AWS does not take any more, and
// those that cannot hold a key of this spec.
func (k *Key) checkWrapping(algorithm, wrappingSpec string) error {
	direct := strings.HasPrefix(algorithm, "RSAES_OAEP")
	switch {
	case !direct && !strings.HasPrefix(algorithm, "RSA_AES"),
		!strings.HasPrefix(wrappingSpec, "RSA_"):
		return refuse(CodeUnsupportedOperation, "Wrapping algorithm %s with wrapping key spec %s is not supported.", algorithm, wrappingSpec)
	case direct && strings.HasPrefix(k.Spec, "RSA_"),
		direct && k.Spec == "ECC_NIST_P521" && wrappingSpec == "RSA_2048",
		!direct && !k.Asymmetric():
		return refuse(CodeUnsupportedOperation, "Wrapping algorithm %s with wrapping key spec %s cannot wrap key material of key spec %s.",
			algorithm, wrappingSpec, k.Spec)
	}
	return nil
}

// canImport refuses key specs whose private keys the token cannot take in.
func canImport(spec string) error {
	if specs[spec].resident {
		return refuse(CodeUnsupportedOperation, "KeySpec %s cannot be imported: the token does not wrap and unwrap Ed25519 private keys.", spec)
	}
	return nil
}

// OpenImport does the token's part of ImportKeyMaterial: it brings the material
// into the token and gives it back wrapped, to be stored by
// [Service.ImportKeyMaterial]. It changes nothing. A table in
// docs/spec/import-token.md says when something of it stands in clear on the host.
func (s *Service) OpenImport(ctx context.Context, k *Key, sealed, encrypted []byte) (Material, error) {
	t, err := s.openImportToken(ctx, k, sealed)
	if err != nil {
		return Material{}, err
	}
	o, err := s.newOpening(k, t, encrypted)
	if err != nil {
		return Material{}, err
	}
	defer s.token.Forget(o.transport)
	m := Material{Version: 1, Domain: s.root.Domain, Created: s.now()}
	if m.Wrapped, m.Public, err = o.moved(ctx); err != nil {
		return Material{}, err
	}
	if k.Asymmetric() {
		if _, err := ParsePublic(k.Spec, m.Public); err != nil {
			return Material{}, errImportMaterial
		}
	}
	m.ID, err = s.identifyImported(ctx, k, m)
	return m, err
}

// identifyImported names imported material: that of an encryption key together
// with the key, as AWS does.
func (s *Service) identifyImported(ctx context.Context, k *Key, m Material) (string, error) {
	if !k.Symmetric() {
		return s.identify(ctx, k, m)
	}
	id, err := derive(ctx, s.token, m.key(k), labelMaterialID, []byte(k.ID))
	return fmt.Sprintf("%x", id), err
}

// pendingRotation finds the material that was imported to be rotated to.
func (k *Key) pendingRotation() (Material, bool) {
	for _, m := range k.material {
		if m.Pending {
			return m, true
		}
	}
	return Material{}, false
}

// complete reports whether no material is missing that belongs to the key of
// imported material for good.
func (k *Key) complete() bool {
	for _, m := range k.material {
		if !m.Pending && !m.Present() {
			return false
		}
	}
	return k.Current != 0
}

// Present reports whether the material is there: imported material may have been
// deleted, or have expired.
func (m Material) Present() bool { return len(m.Wrapped) > 0 || m.Resident != "" }

// Expiry is the first time at which material of the key expires; zero for never.
func (k *Key) Expiry() (first time.Time) {
	for _, m := range k.material {
		if !m.Pending && !m.Expires.IsZero() && (first.IsZero() || m.Expires.Before(first)) {
			first = m.Expires
		}
	}
	return first
}

// Imported reports whether the key's material is imported and all there.
func (k *Key) Imported() bool { return k.Origin == OriginExternal && k.complete() }

// resting is the state of a key that nothing is wrong with but perhaps that it is
// disabled: without all its material it is pending import.
func (k *Key) resting(state State) State {
	if k.Origin == OriginExternal && !k.complete() {
		return PendingImport
	}
	return state
}

// expiryPath is the material's entry in the index of expiries; "" for none. Related
// keys share their material: their region is not in it.
func expiryPath(k *Key, m Material) string {
	if m.Expires.IsZero() {
		return ""
	}
	of := *k
	if k.MultiRegion {
		of.Region = anyRegion
	}
	return fmt.Sprintf("%s/%d", duePath(expiryIndex, m.Expires, &of), m.Number)
}

// anyRegion stands where the region of a material's key would, if related keys
// share it.
const anyRegion = "*"

// putMaterial stores new or changed material of a key, with its entry in the index
// of expiries, and brings the state of the key, and of its related keys, in line.
func (s *Service) putMaterial(tx Tx, k *Key, m Material) error {
	if err := moveDue(tx, expiryPath(k, k.material[m.Number]), expiryPath(k, m)); err != nil {
		return err
	}
	if err := put(tx, materialPath(k.ID, m.Number), m); err != nil {
		return err
	}
	_, err := s.changeShared(tx, k, func(k *Key) {
		k.material = maps.Clone(k.material)
		k.material[m.Number] = m
		if k.Current == 0 {
			k.Current = m.Number
		}
		k.settle()
	})
	return err
}

// settle brings the state in line with the material: a key that can be used or was
// disabled waits for import while some is missing, and is enabled when it came. One
// that is to be deleted stays so.
func (k *Key) settle() {
	switch k.State {
	case Enabled, Disabled:
		k.State = k.resting(k.State)
	case PendingImport:
		k.State = k.resting(Enabled)
	}
}
