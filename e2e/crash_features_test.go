package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const (
	crashReplica = "eu-2" // region of the replicas
	crashAccount = "000000000000"
	crashTag     = "crash"
	// crashRotations is how often a key is rotated on demand in its life, at most.
	crashRotations = 25
)

// kindOf tells what a key is from its description.
func kindOf(spec types.KeySpec, origin types.OriginType, multiRegion bool) keyKind {
	switch {
	case multiRegion:
		return kindRelated
	case origin == types.OriginTypeExternal:
		return kindImported
	case spec != types.KeySpecSymmetricDefault:
		return kindPair
	}
	return kindSymmetric
}

func newState(kind keyKind, description string) keyState {
	s := keyState{state: types.KeyStateEnabled, description: description, kind: kind}
	if kind == kindImported {
		s.state = types.KeyStatePendingImport
	}
	return s
}

func (s keyState) in(state types.KeyState) keyState {
	s.state = state
	return s
}

// leaving reports whether the key waits for its deletion.
func (s keyState) leaving() bool {
	return s.state == types.KeyStatePendingDeletion || s.state == types.KeyStatePendingReplicaDeletion
}

func (s keyState) scheduled() keyState {
	if s.replica {
		return s.in(types.KeyStatePendingReplicaDeletion)
	}
	return s.in(types.KeyStatePendingDeletion)
}

func (s keyState) cancelled() keyState {
	if s.kind == kindImported && !s.imported {
		return s.in(types.KeyStatePendingImport)
	}
	return s.in(types.KeyStateDisabled)
}

func (s keyState) withMaterial(there bool) keyState {
	s.imported = there
	switch {
	case s.leaving():
	case !there:
		s.state = types.KeyStatePendingImport
	case s.state == types.KeyStatePendingImport:
		s.state = types.KeyStateEnabled
	}
	return s
}

func (s keyState) granted(name string) keyState {
	names := append(strings.Fields(s.grants), name)
	slices.Sort(names)
	s.grants = strings.Join(names, " ")
	return s
}

func (s keyState) revoked(name string) keyState {
	names := slices.DeleteFunc(strings.Fields(s.grants), func(n string) bool { return n == name })
	s.grants = strings.Join(names, " ")
	return s
}

// switched is the answer to EnableKey and DisableKey.
func (k *keyModel) switched() string {
	if k.at().state == types.KeyStatePendingImport {
		return "KMSInvalidStateException"
	}
	return k.kept()
}

// usable is the answer to operations that need a key that works.
func (k *keyModel) usable() string {
	switch k.at().state {
	case types.KeyStateEnabled:
		return ""
	case types.KeyStateDisabled:
		return "DisabledException"
	}
	return "KMSInvalidStateException"
}

// stateOf asks for all that there is to know of a key.
func (c *crashTest) stateOf(ctx context.Context, m *types.KeyMetadata) keyState {
	c.t.Helper()
	api := c.clients[0].kms
	s := keyState{
		state: m.KeyState, description: aws.ToString(m.Description), kind: kindOf(m.KeySpec, m.Origin, *m.MultiRegion),
		imported: m.ExpirationModel != "",
	}
	if conf := m.MultiRegionConfiguration; conf != nil {
		s.replica = len(conf.ReplicaKeys) > 0
	}
	tags, err := api.ListResourceTags(ctx, &kmsclient.ListResourceTagsInput{KeyId: m.KeyId})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, tag := range tags.Tags {
		s.tag = *tag.TagValue
	}
	for pages := kmsclient.NewListGrantsPaginator(api, &kmsclient.ListGrantsInput{KeyId: m.KeyId}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, g := range page.Grants {
			s = s.granted(*g.Name)
			for _, client := range c.clients {
				client.grants[*g.Name] = *g.GrantId // of those that were not answered, too
			}
		}
	}
	if s.kind == kindSymmetric || s.kind == kindRelated {
		rotations, err := api.ListKeyRotations(ctx, &kmsclient.ListKeyRotationsInput{KeyId: m.KeyId})
		if err != nil {
			c.t.Fatal(err)
		}
		s.rotations = len(rotations.Rotations)
	}
	return s
}

// feature changes what a key of its kind has, or signs with it.
func (c *client) feature(ctx context.Context, k *keyModel) bool {
	switch c.rng.IntN(6) {
	case 0:
		return c.tag(ctx, k)
	case 1:
		return c.grant(ctx, k)
	case 2:
		return c.revoke(ctx, k)
	}
	switch k.at().kind {
	case kindPair:
		return c.sign(ctx, k)
	case kindImported:
		if k.at().imported && c.rng.IntN(2) == 0 {
			return c.deleteMaterial(ctx, k)
		}
		return c.importMaterial(ctx, k)
	case kindRelated:
		if c.rng.IntN(2) == 0 {
			return c.replicate(ctx, k)
		}
	}
	return c.rotate(ctx, k)
}

func (c *client) tag(ctx context.Context, k *keyModel) bool {
	after := k.at()
	if after.tag != "" && c.rng.IntN(2) == 0 {
		after.tag = ""
		_, err := c.kms.UntagResource(ctx, &kmsclient.UntagResourceInput{KeyId: &k.id, TagKeys: []string{crashTag}})
		return c.change("UntagResource", k, err, k.kept(), after)
	}
	after.tag = c.text()
	_, err := c.kms.TagResource(ctx, &kmsclient.TagResourceInput{KeyId: &k.id, Tags: []types.Tag{{TagKey: aws.String(crashTag), TagValue: &after.tag}}})
	return c.change("TagResource", k, err, k.kept(), after)
}

func (c *client) grant(ctx context.Context, k *keyModel) bool {
	name, operation := c.text(), types.GrantOperationDescribeKey
	out, err := c.kms.CreateGrant(ctx, &kmsclient.CreateGrantInput{
		KeyId: &k.id, Name: &name, GranteePrincipal: aws.String("arn:aws:iam::" + crashAccount + ":root"),
		Operations: []types.GrantOperation{operation},
	})
	if err == nil {
		c.grants[name] = *out.GrantId
	}
	return c.change("CreateGrant", k, err, k.usable(), k.at().granted(name))
}

func (c *client) revoke(ctx context.Context, k *keyModel) bool {
	names := strings.Fields(k.at().grants)
	if len(names) == 0 {
		return true
	}
	_, err := c.kms.RevokeGrant(ctx, &kmsclient.RevokeGrantInput{KeyId: &k.id, GrantId: aws.String(c.grants[names[0]])})
	return c.change("RevokeGrant", k, err, "", k.at().revoked(names[0]))
}

func (c *client) rotate(ctx context.Context, k *keyModel) bool {
	after, want := k.at(), k.usable()
	after.rotations++
	if want == "" && after.rotations > crashRotations {
		want = "LimitExceededException"
	}
	_, err := c.kms.RotateKeyOnDemand(ctx, &kmsclient.RotateKeyOnDemandInput{KeyId: &k.id})
	return c.change("RotateKeyOnDemand", k, err, want, after)
}

func (c *client) replicate(ctx context.Context, k *keyModel) bool {
	after, want := k.at(), k.usable()
	if want == "" && after.replica {
		want = "AlreadyExistsException"
	}
	after.replica = true
	_, err := c.kms.ReplicateKey(ctx, &kmsclient.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(crashReplica)})
	return c.change("ReplicateKey", k, err, want, after)
}

// importMaterial imports what was imported before, or for the first time: 32 bytes
// that the key's id gives.
func (c *client) importMaterial(ctx context.Context, k *keyModel) bool {
	if k.params == nil {
		out, err := c.kms.GetParametersForImport(ctx, &kmsclient.GetParametersForImportInput{
			KeyId: &k.id, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
		})
		if !c.answer("GetParametersForImport", err, k.kept()) {
			return false
		}
		if err != nil {
			return true
		}
		k.params = out
	}
	sealed, err := sealMaterial(k.params.PublicKey, k.id)
	if err != nil {
		c.t.Error(err)
	}
	_, err = c.kms.ImportKeyMaterial(ctx, &kmsclient.ImportKeyMaterialInput{
		KeyId: &k.id, ImportToken: k.params.ImportToken, EncryptedKeyMaterial: sealed,
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	})
	return c.change("ImportKeyMaterial", k, err, k.kept(), k.at().withMaterial(true))
}

func sealMaterial(spki []byte, id string) ([]byte, error) {
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	material := sha256.Sum256([]byte(id))
	return rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), material[:], nil)
}

func (c *client) deleteMaterial(ctx context.Context, k *keyModel) bool {
	_, err := c.kms.DeleteImportedKeyMaterial(ctx, &kmsclient.DeleteImportedKeyMaterialInput{KeyId: &k.id})
	return c.change("DeleteImportedKeyMaterial", k, err, "", k.at().withMaterial(false))
}

// sign makes a signature that must verify from then on.
func (c *client) sign(ctx context.Context, k *keyModel) bool {
	m := message{key: k.id, plaintext: []byte(c.text()), signed: true}
	out, err := c.kms.Sign(ctx, &kmsclient.SignInput{KeyId: &k.id, Message: m.plaintext, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if err == nil {
		m.blob = out.Signature
		c.all.addMessage(m)
	}
	return c.answer("Sign", err, k.usable())
}

// isPair reports whether that key of the client's is a pair.
func (c *client) isPair(id string) bool {
	return slices.ContainsFunc(c.keys, func(k *keyModel) bool { return k.id == id && k.at().kind == kindPair })
}

// open decrypts a message and compares, or verifies a signature.
func (m *message) open(ctx context.Context, client *kmsclient.Client) error {
	if m.signed {
		_, err := client.Verify(ctx, &kmsclient.VerifyInput{
			KeyId: &m.key, Message: m.plaintext, Signature: m.blob, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
		})
		return err
	}
	out, err := client.Decrypt(ctx, &kmsclient.DecryptInput{CiphertextBlob: m.blob, EncryptionContext: maps.Clone(m.encContext)})
	if err == nil && !bytes.Equal(out.Plaintext, m.plaintext) {
		err = fmt.Errorf("a ciphertext of key %s opens to something else", m.key)
	}
	return err
}
