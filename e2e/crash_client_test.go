package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const (
	crashRegion = "eu-1"
	crashKeys   = 8 // of each client soon; more come slowly
	crashNames  = 6 // aliases of each client
)

// shared is what all clients of a crash test know: keys to use that others may
// change, and messages to open.
type shared struct {
	mu       sync.Mutex
	keys     []string
	ciphers  []string // those of the keys that encrypt
	messages []message
}

func (s *shared) addKey(id string, encrypts bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, id)
	if encrypts {
		s.ciphers = append(s.ciphers, id)
	}
}

func (s *shared) addMessage(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
}

// pick returns a key and a message, either may be missing.
func (s *shared) pick(rng *rand.Rand) (key string, m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ciphers) > 0 {
		key = s.ciphers[rng.IntN(len(s.ciphers))]
	}
	if len(s.messages) > 0 {
		m = &s.messages[rng.IntN(len(s.messages))]
	}
	return key, m
}

// A client changes keys and aliases of its own, one call after the other, and
// uses those of all. It knows what every answer must be.
type client struct {
	t    *testing.T
	rng  *rand.Rand
	name string
	all  *shared
	kms  *kmsclient.Client // of this round
	// tolerant: an internal error is no answer, and ends the work as a crash does.
	tolerant bool

	keys    []*keyModel
	aliases map[string][]string // the key ids that each may point at, "" for not there
	unborn  []string            // descriptions of keys whose CreateKey was not answered
	grants  map[string]string   // ids of grants by name
	count   int                 // makes texts unique
}

func newClient(t *testing.T, n int, seed uint64, all *shared) *client {
	return &client{
		t: t, rng: rand.New(rand.NewPCG(seed, uint64(n))), name: fmt.Sprintf("client-%d", n),
		all: all, aliases: make(map[string][]string), grants: make(map[string]string),
	}
}

// run works until a call is not answered or ctx ends.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !c.step(context.WithoutCancel(ctx)) {
			return
		}
	}
}

// text is something never said before.
func (c *client) text() string {
	c.count++
	return fmt.Sprintf("%s/%d", c.name, c.count)
}

// step makes a call and reports whether it was answered.
func (c *client) step(ctx context.Context) bool {
	if len(c.keys) == 0 || len(c.keys) < crashKeys && c.rng.IntN(8) == 0 || c.rng.IntN(100) == 0 {
		return c.createKey(ctx)
	}
	k := c.keys[c.rng.IntN(len(c.keys))]
	alias := fmt.Sprintf("alias/%s/%d", c.name, c.rng.IntN(crashNames))
	switch c.rng.IntN(20) {
	case 0:
		return c.describe(ctx, k)
	case 1, 2:
		return c.enable(ctx, k)
	case 3:
		return c.disable(ctx, k)
	case 4:
		return c.schedule(ctx, k)
	case 5:
		return c.cancel(ctx, k)
	case 6:
		return c.pointAlias(ctx, alias, k)
	case 7:
		return c.deleteAlias(ctx, alias)
	case 8, 9, 10, 11, 12, 13:
		return c.feature(ctx, k)
	}
	return c.crypto(ctx)
}

// answer compares the answer of a call with the one that must come, and reports
// whether one came.
func (c *client) answer(operation string, err error, want string) bool {
	if c.unanswered(err) {
		return false
	}
	if got := codeOf(err); got != want {
		c.t.Errorf("%s: %s answered %q, want %q", c.name, operation, got, want)
	}
	return true
}

func (c *client) createKey(ctx context.Context) bool {
	text := c.text()
	kind := kindSymmetric
	if len(c.keys) > 0 { // the first is one that everybody can use
		kind = []keyKind{kindSymmetric, kindSymmetric, kindPair, kindRelated, kindImported}[c.rng.IntN(5)]
	}
	in := &kmsclient.CreateKeyInput{Description: &text}
	switch kind {
	case kindPair:
		in.KeySpec, in.KeyUsage = types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify
	case kindRelated:
		in.MultiRegion = aws.Bool(true)
	case kindImported:
		in.Origin = types.OriginTypeExternal
	}
	out, err := c.kms.CreateKey(ctx, in)
	if !c.answer("CreateKey", err, "") {
		c.unborn = append(c.unborn, text)
		return false
	}
	if err == nil {
		c.adopt(*out.KeyMetadata.KeyId, newState(kind, text))
	}
	return true
}

// adopt makes a new key one of the client's.
func (c *client) adopt(id string, at keyState) {
	c.keys = append(c.keys, &keyModel{id: id, may: []keyState{at}})
	c.all.addKey(id, at.kind == kindSymmetric || at.kind == kindRelated)
}

// change notes what a call on a key has done, or may have done.
func (c *client) change(operation string, k *keyModel, err error, want string, after keyState) bool {
	ok := c.answer(operation, err, want)
	switch {
	case want != "":
	case !ok:
		k.may = append(k.may, after)
	case err == nil:
		k.may = []keyState{after}
	}
	return ok
}

// kept is the answer to changes that a key waiting for its deletion refuses.
func (k *keyModel) kept() string {
	if k.at().leaving() {
		return "KMSInvalidStateException"
	}
	return ""
}

func (c *client) describe(ctx context.Context, k *keyModel) bool {
	after := k.at()
	after.description = c.text()
	_, err := c.kms.UpdateKeyDescription(ctx, &kmsclient.UpdateKeyDescriptionInput{KeyId: &k.id, Description: &after.description})
	return c.change("UpdateKeyDescription", k, err, k.kept(), after)
}

func (c *client) enable(ctx context.Context, k *keyModel) bool {
	_, err := c.kms.EnableKey(ctx, &kmsclient.EnableKeyInput{KeyId: &k.id})
	return c.change("EnableKey", k, err, k.switched(), k.at().in(types.KeyStateEnabled))
}

func (c *client) disable(ctx context.Context, k *keyModel) bool {
	_, err := c.kms.DisableKey(ctx, &kmsclient.DisableKeyInput{KeyId: &k.id})
	return c.change("DisableKey", k, err, k.switched(), k.at().in(types.KeyStateDisabled))
}

func (c *client) schedule(ctx context.Context, k *keyModel) bool {
	_, err := c.kms.ScheduleKeyDeletion(ctx, &kmsclient.ScheduleKeyDeletionInput{KeyId: &k.id})
	return c.change("ScheduleKeyDeletion", k, err, k.kept(), k.at().scheduled())
}

func (c *client) cancel(ctx context.Context, k *keyModel) bool {
	want := "KMSInvalidStateException"
	if k.kept() != "" {
		want = ""
	}
	_, err := c.kms.CancelKeyDeletion(ctx, &kmsclient.CancelKeyDeletionInput{KeyId: &k.id})
	return c.change("CancelKeyDeletion", k, err, want, k.at().cancelled())
}

// pointAlias creates an alias, or points it at another key where it is there.
func (c *client) pointAlias(ctx context.Context, name string, k *keyModel) bool {
	operation, want := "CreateAlias", k.kept()
	var err error
	if at := c.aliases[name]; at == nil || at[0] == "" {
		_, err = c.kms.CreateAlias(ctx, &kmsclient.CreateAliasInput{AliasName: &name, TargetKeyId: &k.id})
	} else {
		operation = "UpdateAlias"
		_, err = c.kms.UpdateAlias(ctx, &kmsclient.UpdateAliasInput{AliasName: &name, TargetKeyId: &k.id})
		if want == "" && c.isPair(at[0]) != (k.at().kind == kindPair) {
			want = "ValidationException"
		}
	}
	return c.changeAlias(operation, name, err, want, k.id)
}

func (c *client) deleteAlias(ctx context.Context, name string) bool {
	want := "NotFoundException"
	if at := c.aliases[name]; at != nil && at[0] != "" {
		want = ""
	}
	_, err := c.kms.DeleteAlias(ctx, &kmsclient.DeleteAliasInput{AliasName: &name})
	return c.changeAlias("DeleteAlias", name, err, want, "")
}

func (c *client) changeAlias(operation, name string, err error, want, target string) bool {
	ok := c.answer(operation, err, want)
	switch {
	case want != "":
	case !ok && c.aliases[name] == nil:
		c.aliases[name] = []string{"", target}
	case !ok:
		c.aliases[name] = append(c.aliases[name], target)
	case err == nil:
		c.aliases[name] = []string{target}
	}
	return ok
}

// closed reports whether err is what a key of another client may answer, which
// that one has disabled or is about to delete.
func closed(err error) bool {
	return slices.Contains([]string{"DisabledException", "KMSInvalidStateException"}, codeOf(err))
}

// crypto uses a key of any client, and notes what must open from then on.
func (c *client) crypto(ctx context.Context) bool {
	key, old := c.all.pick(c.rng)
	m := message{key: key, plaintext: []byte(c.text()), encContext: map[string]string{"by": c.name}}
	operation := c.rng.IntN(5)
	switch {
	case old == nil:
		operation = 0
	case old.signed:
		operation = 4
	}
	var err error
	switch operation {
	case 0, 1:
		var out *kmsclient.EncryptOutput
		if out, err = c.kms.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: m.plaintext, EncryptionContext: m.encContext}); err == nil {
			m.blob = out.CiphertextBlob
		}
	case 2:
		var out *kmsclient.GenerateDataKeyOutput
		if out, err = c.kms.GenerateDataKey(ctx, &kmsclient.GenerateDataKeyInput{
			KeyId: &key, KeySpec: types.DataKeySpecAes256, EncryptionContext: m.encContext,
		}); err == nil {
			m.blob, m.plaintext = out.CiphertextBlob, out.Plaintext
		}
	case 3:
		m.plaintext = old.plaintext
		var out *kmsclient.ReEncryptOutput
		if out, err = c.kms.ReEncrypt(ctx, &kmsclient.ReEncryptInput{
			CiphertextBlob: old.blob, SourceEncryptionContext: old.encContext,
			DestinationKeyId: &key, DestinationEncryptionContext: m.encContext,
		}); err == nil {
			m.blob = out.CiphertextBlob
		}
	default:
		err = old.open(ctx, c.kms)
	}
	if m.blob != nil {
		c.all.addMessage(m)
	}
	return closed(err) || c.answer("use of a key", err, "")
}
