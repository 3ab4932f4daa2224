package server_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// Kinds of keys in the model.
const (
	kindSymmetric = "symmetric"
	kindRelated   = "multi-Region"
	kindExternal  = "external"
	kindStored    = "in a custom key store"
	kindMAC       = "HMAC"
	kindPair      = "ECC"
)

// A keyOf is the model of one key in one region.
type keyOf struct {
	region, id, kind string
	state            types.KeyState // as stored: never Unavailable
	gone             bool
	deletion         time.Time
	window           int
	description      string
	tags             map[string]string
	grants           []string
	*material
	blobs []blob // ciphertexts, signatures and MACs that it made
}

// material is what the related keys of one id share.
type material struct {
	primary   string // region; "" for a key of one region
	related   map[string]*keyOf
	period    int
	next      time.Time // of the rotation
	rotations int
	onDemand  int
	imported  []*importedMaterial // of a key of origin EXTERNAL
	current   *importedMaterial
	params    *kms.GetParametersForImportOutput
}

type importedMaterial struct {
	content byte
	id      string
	present bool
	pending bool
	expires time.Time
}

type blob struct{ plaintext, made []byte }

// GoString is how a key stands in the log of a failed run.
func (k *keyOf) GoString() string { return k.kind + " " + k.id + " in " + k.region }

func (k *keyOf) isPrimary() bool { return k.primary == "" || k.primary == k.region }

// machine is an appliance and the model of it.
type machine struct {
	t         *rapid.T
	kit       *testkit.Kit
	clients   map[string]*kms.Client
	store     string // id of the custom key store
	connected bool
	keys      []*keyOf
	aliases   map[string]*keyOf // by name; all in homeRegion
	run       int               // makes names unique over checks
	answers   map[string]int    // how often an operation gave an answer, over all checks
	texts     int
}

var machineRegions = []string{homeRegion, westRegion, thirdRegion}

// shown is the state that the key is described in.
func (m *machine) shown(k *keyOf) types.KeyState {
	if k.kind == kindStored && !m.connected && (k.state == types.KeyStateEnabled || k.state == types.KeyStateDisabled) {
		return types.KeyStateUnavailable
	}
	return k.state
}

// byState is what AWS's table says that an operation answers for the key now.
func (m *machine) byState(operation string, k *keyOf) string {
	if k.gone {
		return "NotFoundException"
	}
	row := keyStates[operation]
	switch column := slices.Index(stateColumns, m.shown(k)); row[column] {
	case 'D':
		return "DisabledException"
	case 'I':
		return "KMSInvalidStateException"
	}
	return ""
}

// answer compares an answer with the model's, and reports whether the call
// succeeded.
func (m *machine) answer(operation string, k *keyOf, err error, want string) bool {
	m.t.Helper()
	m.answers[operation+" "+want]++
	if got := codeOf(err); got != want {
		m.t.Fatalf("%s on %s: %v, want %q", operation, m.describe(k), err, want)
	}
	return err == nil
}

func (m *machine) describe(k *keyOf) string {
	if k == nil {
		return "no key"
	}
	return fmt.Sprintf("the %s key %s in %s, which is %s (gone: %t)", k.kind, k.id, k.region, m.shown(k), k.gone)
}

func (m *machine) text() string {
	m.texts++
	return fmt.Sprintf("%d-%d", m.run, m.texts)
}

func (m *machine) of(k *keyOf) *kms.Client { return m.clients[k.region] }

// pick draws a key of the model; of those kinds if any are named.
func (m *machine) pick(kinds ...string) *keyOf {
	keys := m.keys
	if len(kinds) > 0 {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k *keyOf) bool { return !slices.Contains(kinds, k.kind) })
	}
	if len(keys) == 0 {
		m.t.Skip("no such key")
	}
	return rapid.SampledFrom(keys).Draw(m.t, "key")
}

// agree compares a key with its model.
func (m *machine) agree(k *keyOf) {
	ctx := context.Background()
	out, err := m.of(k).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id})
	if code := codeOf(err); code != m.byState("DescribeKey", k) {
		m.t.Fatalf("DescribeKey of %s: %v", m.describe(k), err)
	}
	if err != nil {
		return
	}
	got := out.KeyMetadata
	if got.KeyState != m.shown(k) || *got.Description != k.description || got.Enabled != (m.shown(k) == types.KeyStateEnabled) ||
		(got.DeletionDate != nil) != (k.state == types.KeyStatePendingDeletion) {
		m.t.Fatalf("%s is described as %+v", m.describe(k), got)
	}
	if k.state == types.KeyStatePendingDeletion && !got.DeletionDate.Equal(k.deletion) {
		m.t.Fatalf("%s goes on %s, want %s", m.describe(k), got.DeletionDate, k.deletion)
	}
	if k.primary != "" {
		m.agreeRelated(k, got.MultiRegionConfiguration)
	}
	tags := make(map[string]string)
	for _, tag := range must(m.of(k).ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.id})).Tags {
		tags[*tag.TagKey] = *tag.TagValue
	}
	if !maps.Equal(tags, k.tags) {
		m.t.Fatalf("%s has the tags %v, want %v", m.describe(k), tags, k.tags)
	}
	grants := ids(must(m.of(k).ListGrants(ctx, &kms.ListGrantsInput{KeyId: &k.id})).Grants)
	if slices.Sort(grants); !slices.Equal(grants, slices.Sorted(slices.Values(k.grants))) {
		m.t.Fatalf("%s has the grants %v, want %v", m.describe(k), grants, k.grants)
	}
}

func (m *machine) agreeRelated(k *keyOf, c *types.MultiRegionConfiguration) {
	regions := []string{*c.PrimaryKey.Region}
	for _, r := range c.ReplicaKeys {
		regions = append(regions, *r.Region)
	}
	slices.Sort(regions)
	if *c.PrimaryKey.Region != k.primary || !slices.Equal(regions, slices.Sorted(maps.Keys(k.related))) {
		m.t.Fatalf("%s: primary in %s, keys in %v; want %s, %v", m.describe(k), *c.PrimaryKey.Region, regions, k.primary, slices.Sorted(maps.Keys(k.related)))
	}
}

// agreeAliases compares the aliases of the run.
func (m *machine) agreeAliases() {
	for name, k := range m.aliases {
		out, err := m.of(k).DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &name})
		if err != nil || *out.KeyMetadata.KeyId != k.id {
			m.t.Fatalf("%s is not of %s: %v", name, m.describe(k), err)
		}
	}
	for _, k := range m.keys {
		list, err := m.of(k).ListAliases(context.Background(), &kms.ListAliasesInput{KeyId: &k.id})
		want := 0
		for _, of := range m.aliases {
			if of == k {
				want++
			}
		}
		if m.answer("ListAliases", k, err, m.byState("ListAliases", k)) && len(list.Aliases) != want {
			m.t.Fatalf("%s has %d aliases, want %d", m.describe(k), len(list.Aliases), want)
		}
	}
}

// check is what holds after every step, of a key drawn.
func (m *machine) check(t *rapid.T) {
	m.t = t
	if len(m.keys) > 0 {
		m.agree(rapid.SampledFrom(m.keys).Draw(t, "looked at"))
	}
}

// advance moves the clock.
func (m *machine) advance(d time.Duration) { m.kit.Offset.Add(int64(d)) }

// sweep does what is due, in the appliance and in the model.
func (m *machine) sweep() {
	before := m.kit.Now()
	if err := m.kit.Server.Sweep(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	m.answers["sweep"]++
	for _, k := range m.keys {
		if !k.gone && k.state == types.KeyStatePendingDeletion && !k.deletion.After(before) {
			m.destroyed(k, before)
		}
	}
	m.expire(before)
	for _, k := range m.keys {
		if !k.gone && k.state == types.KeyStateEnabled && k.isPrimary() && k.period > 0 && !k.next.After(before) {
			k.rotations++
			k.next = m.near("NextRotationDate", *must(m.of(k).GetKeyRotationStatus(context.Background(),
				&kms.GetKeyRotationStatusInput{KeyId: &k.id})).NextRotationDate, before, k.period)
		}
	}
}

// expire drops imported material whose time is over.
func (m *machine) expire(now time.Time) {
	for _, k := range m.keys {
		for _, i := range slices.Clone(k.imported) {
			if !k.gone && i.present && !i.expires.IsZero() && !i.expires.After(now) {
				k.drop(i)
			}
		}
	}
}

// restart ends the appliance and starts it again. What has expired is gone before
// the first request.
func (m *machine) restart() {
	before := m.kit.Now()
	m.kit.Restart()
	if err := m.kit.Server.Reconnect(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	m.expire(before)
}

// near takes over a date that the appliance has set, if it is that many days after
// about now.
func (m *machine) near(what string, got, now time.Time, days int) time.Time {
	if off := got.Sub(now.AddDate(0, 0, days)); off.Abs() > time.Minute {
		m.t.Fatalf("%s is %s: %s away from %d days after %s", what, got, off, days, now)
	}
	return got
}

// destroyed is the end of a key's window.
func (m *machine) destroyed(k *keyOf, now time.Time) {
	k.gone = true
	maps.DeleteFunc(m.aliases, func(_ string, of *keyOf) bool { return of == k })
	delete(k.related, k.region)
	if p := k.related[k.primary]; p != nil && p.state == types.KeyStatePendingReplicaDeletion && len(k.related) == 1 {
		p.state = types.KeyStatePendingDeletion
		p.deletion = m.near("DeletionDate", *must(m.of(p).DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &p.id})).KeyMetadata.DeletionDate, now, p.window)
	}
}

// opens checks that everything a key has made is still good.
func (m *machine) opens(k *keyOf) {
	ctx, c := context.Background(), m.of(k)
	for _, b := range k.blobs {
		var err error
		switch k.kind {
		case kindMAC:
			_, err = c.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &k.id, Message: b.plaintext, MacAlgorithm: "HMAC_SHA_256", Mac: b.made})
			m.answer("VerifyMac", k, err, m.byState("VerifyMac", k))
		case kindPair:
			_, err = c.Verify(ctx, &kms.VerifyInput{KeyId: &k.id, Message: b.plaintext, SigningAlgorithm: "ECDSA_SHA_256", Signature: b.made})
			m.answer("Verify", k, err, m.byState("Verify", k))
		default:
			want := m.byState("Decrypt", k)
			if k.gone {
				want = "AccessDeniedException" // nobody learns that there was such a key
			}
			out, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: b.made})
			if m.answer("Decrypt", k, err, want) && !bytes.Equal(out.Plaintext, b.plaintext) {
				m.t.Fatalf("a ciphertext of %s opens to something else", m.describe(k))
			}
		}
	}
}

// TestSoakKeyStates runs random sequences of operations on a few keys, moves the
// clock, sweeps and restarts, and compares every answer with a small model of AWS's
// key states. KEYD_SOAK makes it long.
func TestSoakKeyStates(t *testing.T) {
	goal, checks, length := 1_000, 6, 200
	if os.Getenv("KEYD_SOAK") != "" {
		goal, checks, length = 100_000, 20, 300
	}
	setFlag(t, "rapid.checks", strconv.Itoa(checks))
	setFlag(t, "rapid.steps", strconv.Itoa(length))
	setFlag(t, "rapid.nofailfile", "true") // a run is not repeatable from its draws alone: ids are random
	answers, run, begin := make(map[string]int), 0, time.Now()
	for total(answers) < goal {
		cluster := testkit.NewCluster(t, firstCluster)
		kit := testkit.Start(t, testkit.WithClusters(cluster))
		clients := make(map[string]*kms.Client)
		for _, r := range machineRegions {
			clients[r] = kit.KMS(r)
		}
		store := *must(clients[homeRegion].CreateCustomKeyStore(t.Context(), &kms.CreateCustomKeyStoreInput{
			CustomKeyStoreName: new("second"), CloudHsmClusterId: &cluster.ID, KeyStorePassword: &cluster.PIN,
		})).CustomKeyStoreId
		rapid.Check(t, func(rt *rapid.T) {
			run++
			m := &machine{t: rt, kit: kit, clients: clients, store: store, aliases: make(map[string]*keyOf), run: run, answers: answers}
			m.connected = must(clients[homeRegion].DescribeCustomKeyStores(t.Context(), &kms.DescribeCustomKeyStoresInput{
				CustomKeyStoreId: &store})).CustomKeyStores[0].ConnectionState == types.ConnectionStateTypeConnected
			rt.Repeat(m.actions())
			for _, k := range m.keys {
				m.agree(k)
				m.opens(k)
			}
			m.agreeAliases()
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d steps, %d kinds of answers, in %s", total(answers), len(answers), time.Since(begin).Round(time.Second))
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func setFlag(t *testing.T, name, value string) {
	t.Helper()
	old := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(name, old) })
}
