package server_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// The regions of the tests: the default of an appliance and two of AWS's form.
const (
	homeRegion  = "local-1"
	westRegion  = "us-west-2"
	thirdRegion = "us-gov-east-1"
)

func newPrimary(t *testing.T, kit *testkit.Kit) string {
	t.Helper()
	m := must(kit.KMS(homeRegion).CreateKey(t.Context(), &kms.CreateKeyInput{MultiRegion: new(true)})).KeyMetadata
	if len(*m.KeyId) != 36 || !strings.HasPrefix(*m.KeyId, "mrk-") || !*m.MultiRegion {
		t.Fatalf("multi-Region key %+v", m)
	}
	return *m.KeyId
}

func replicate(kit *testkit.Kit, id, to string) (*kms.ReplicateKeyOutput, error) {
	return kit.KMS(homeRegion).ReplicateKey(context.Background(), &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: &to})
}

func stateIn(t *testing.T, kit *testkit.Kit, in, id string) *types.KeyMetadata {
	t.Helper()
	return must(kit.KMS(in).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})).KeyMetadata
}

// TestReplicas: a replica has the id and the material of its primary, and its own
// policy, description, tags, aliases and state.
func TestReplicas(t *testing.T) {
	kit := testkit.Start(t)
	home, west, ctx := kit.KMS(homeRegion), kit.KMS(westRegion), t.Context()
	id := newPrimary(t, kit)
	must(home.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &id, Description: new("at home")}))
	must(home.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/a"), TargetKeyId: &id}))
	out := must(home.ReplicateKey(ctx, &kms.ReplicateKeyInput{
		KeyId: &id, ReplicaRegion: new(westRegion), Description: new("in the west"),
		Tags: []types.Tag{{TagKey: new("side"), TagValue: new("west")}},
	}))
	m := out.ReplicaKeyMetadata
	if *m.KeyId != id || *m.Arn != "arn:aws:kms:us-west-2:"+testkit.Account+":key/"+id || *m.Description != "in the west" ||
		m.KeyState != types.KeyStateEnabled || *out.ReplicaTags[0].TagValue != "west" || !strings.Contains(*out.ReplicaPolicy, ":root") {
		t.Errorf("replica %+v", m)
	}
	must(replicate(kit, id, thirdRegion))
	for in, kind := range map[string]types.MultiRegionKeyType{
		homeRegion: types.MultiRegionKeyTypePrimary, westRegion: types.MultiRegionKeyTypeReplica, thirdRegion: types.MultiRegionKeyTypeReplica,
	} {
		conf := stateIn(t, kit, in, id).MultiRegionConfiguration
		var replicas []string
		for _, r := range conf.ReplicaKeys {
			replicas = append(replicas, *r.Region)
		}
		if conf.MultiRegionKeyType != kind || *conf.PrimaryKey.Region != homeRegion || !slices.Equal(replicas, []string{thirdRegion, westRegion}) {
			t.Errorf("in %s: %s, primary in %s, replicas in %v", in, conf.MultiRegionKeyType, *conf.PrimaryKey.Region, replicas)
		}
	}
	_, err := west.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: new("alias/a")})
	refused(t, "alias of the primary", err, "NotFoundException", "is not found")

	blob := must(home.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})).CiphertextBlob
	opened := must(west.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}))
	if string(opened.Plaintext) != "m" || *opened.KeyId != *m.Arn {
		t.Errorf("opened as %q with %s", opened.Plaintext, *opened.KeyId)
	}
	must(home.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))
	must(west.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}))
	_, err = home.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	refused(t, "disabled at home", err, "DisabledException", "is disabled")
	_, err = kit.KMS("eu-1").Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	refused(t, "where no replica is", err, "AccessDeniedException", "does not exist in this region")
}

// TestReplicateKeyRefuses provokes each exception that ReplicateKey can answer.
func TestReplicateKeyRefuses(t *testing.T) {
	kit := testkit.Start(t, testkit.WithRegions(homeRegion, westRegion, thirdRegion))
	home, ctx := kit.KMS(homeRegion), t.Context()
	id, single := newPrimary(t, kit), kit.NewKey(homeRegion)
	must(replicate(kit, id, westRegion))
	disabled, pending := newPrimary(t, kit), newPrimary(t, kit)
	must(home.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabled}))
	must(home.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &pending}))
	locked := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + testkit.Account + `"},"Action":"kms:Encrypt","Resource":"*"}}`
	for name, tc := range map[string]struct {
		in         kms.ReplicateKeyInput
		code, text string
	}{
		"single-Region":  {kms.ReplicateKeyInput{KeyId: &single}, "UnsupportedOperationException", "is not a multi-Region primary key."},
		"there already":  {kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: new(westRegion)}, "AlreadyExistsException", "us-west-2"},
		"at home":        {kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: new(homeRegion)}, "AlreadyExistsException", homeRegion},
		"disabled":       {kms.ReplicateKeyInput{KeyId: &disabled}, "DisabledException", "is disabled."},
		"pending":        {kms.ReplicateKeyInput{KeyId: &pending}, "KMSInvalidStateException", "is pending deletion."},
		"unknown":        {kms.ReplicateKeyInput{KeyId: new("mrk-00000000000000000000000000000000")}, "NotFoundException", "does not exist"},
		"ARN":            {kms.ReplicateKeyInput{KeyId: new("arn:aws:kms:x")}, "InvalidArnException", "Invalid arn"},
		"locked out":     {kms.ReplicateKeyInput{KeyId: &id, Policy: &locked}, "MalformedPolicyDocumentException", "will not allow you to update"},
		"tag":            {kms.ReplicateKeyInput{KeyId: &id, Tags: []types.Tag{{TagKey: new("aws:x"), TagValue: new("1")}}}, "TagException", "aws:"},
		"long policy":    {kms.ReplicateKeyInput{KeyId: &id, Policy: new(locked + strings.Repeat(" ", 40_000))}, "LimitExceededException", "32768"},
		"no region":      {kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: new("EU")}, "ValidationException", `^([a-z]+-){2,3}\d+$`},
		"unknown region": {kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: new("nowhere-9")}, "ValidationException", "not among the regions"},
	} {
		if tc.in.ReplicaRegion == nil {
			tc.in.ReplicaRegion = new(thirdRegion)
		}
		_, err := home.ReplicateKey(ctx, &tc.in)
		refused(t, name, err, tc.code, tc.text)
	}
	_, err := kit.KMS(westRegion).ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: new(thirdRegion)})
	refused(t, "replica", err, "UnsupportedOperationException", "is not a multi-Region primary key.")
	_, err = kit.KMS(thirdRegion).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	refused(t, "after all that", err, "NotFoundException", "does not exist")
}

// TestUpdatePrimaryRegion: the primary and a replica change places, in every
// related key at once.
func TestUpdatePrimaryRegion(t *testing.T) {
	kit := testkit.Start(t)
	home, west, ctx := kit.KMS(homeRegion), kit.KMS(westRegion), t.Context()
	id, single := newPrimary(t, kit), kit.NewKey(homeRegion)
	must(replicate(kit, id, westRegion))
	must(replicate(kit, id, thirdRegion))
	move := func(c *kms.Client, id, to string) error {
		_, err := c.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &id, PrimaryRegion: &to})
		return err
	}
	refused(t, "single-Region", move(home, single, westRegion), "UnsupportedOperationException", "is not a multi-Region primary key.")
	refused(t, "replica", move(west, id, thirdRegion), "UnsupportedOperationException", "is not a multi-Region primary key.")
	refused(t, "where it is", move(home, id, homeRegion), "UnsupportedOperationException", "is the primary key already")
	refused(t, "no replica", move(home, id, "eu-1"), "NotFoundException", "does not exist")
	refused(t, "ARN", move(home, "arn:aws:x", "eu-1"), "InvalidArnException", "Invalid arn")
	must(west.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))
	refused(t, "disabled replica", move(home, id, westRegion), "DisabledException", "us-west-2")
	must(west.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	refused(t, "replica to be deleted", move(home, id, westRegion), "KMSInvalidStateException", "is pending deletion.")
	must(west.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id}))
	must(west.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id}))
	if err := move(home, id, westRegion); err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{homeRegion, westRegion, thirdRegion} {
		m := stateIn(t, kit, in, id)
		primary := m.MultiRegionConfiguration.MultiRegionKeyType == types.MultiRegionKeyTypePrimary
		if *m.MultiRegionConfiguration.PrimaryKey.Region != westRegion || primary != (in == westRegion) || m.KeyState != types.KeyStateEnabled {
			t.Errorf("in %s: %+v", in, m.MultiRegionConfiguration)
		}
	}
}

// TestReplicaDeletion: a primary waits for its last replica, then its own window
// begins; the material goes with the last of them.
func TestReplicaDeletion(t *testing.T) {
	kit := testkit.Start(t)
	home, west, ctx := kit.KMS(homeRegion), kit.KMS(westRegion), t.Context()
	id := newPrimary(t, kit)
	must(replicate(kit, id, westRegion))
	blob := must(home.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})).CiphertextBlob
	schedule := func(c *kms.Client) *kms.ScheduleKeyDeletionOutput {
		return must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: new(int32(7))}))
	}
	out := schedule(home)
	if out.KeyState != types.KeyStatePendingReplicaDeletion || out.DeletionDate != nil || *out.PendingWindowInDays != 7 {
		t.Errorf("scheduled: %+v", out)
	}
	if m := stateIn(t, kit, homeRegion, id); *m.PendingDeletionWindowInDays != 7 || m.DeletionDate != nil {
		t.Errorf("described: %+v", m)
	}
	_, err := home.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})
	refused(t, "use of a primary that waits", err, "KMSInvalidStateException", "is pending replica deletion.")
	must(home.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id}))
	if m := stateIn(t, kit, homeRegion, id); m.KeyState != types.KeyStateDisabled || m.PendingDeletionWindowInDays != nil {
		t.Errorf("cancelled: %+v", m)
	}
	schedule(home)
	must(west.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}))
	schedule(west)
	sweep := func(days int) {
		t.Helper()
		kit.Offset.Store(int64(time.Duration(days) * 24 * time.Hour))
		if err := kit.Server.Sweep(context.WithoutCancel(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	sweep(8)
	m := stateIn(t, kit, homeRegion, id)
	if left := m.DeletionDate.Sub(kit.Now()); m.KeyState != types.KeyStatePendingDeletion || left > 7*24*time.Hour || left < 6*24*time.Hour ||
		len(m.MultiRegionConfiguration.ReplicaKeys) != 0 {
		t.Errorf("when the replica was gone: %+v", m)
	}
	must(home.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id}))
	must(home.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id}))
	must(home.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})) // its material is still there
	must(replicate(kit, id, westRegion))
	must(west.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}))
	schedule(home)
	schedule(west)
	sweep(16)
	sweep(24)
	_, err = home.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	refused(t, "after all windows", err, "NotFoundException", "does not exist")
}

// TestReplicaRights: what ReplicateKey and UpdatePrimaryRegion need, in both
// regions.
func TestReplicaRights(t *testing.T) {
	r := startRuled(t)
	id := newPrimary(t, r.Kit)
	ann := r.KMSWith(homeRegion, r.ann)
	replicate := func(tags ...types.Tag) error {
		_, err := ann.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: new(westRegion), Tags: tags, BypassPolicyLockoutSafetyCheck: true})
		return err
	}
	may := func(action, condition string) string {
		if condition != "" {
			condition = `,"Condition":{"StringEquals":{` + condition + `}}`
		}
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"*"` + condition + `}`
	}
	const there = `"aws:RequestedRegion":"us-west-2","kms:MultiRegionKeyType":"REPLICA"`
	tag := types.Tag{TagKey: new("a"), TagValue: new("1")}
	r.denied("nothing", replicate(), byIdentity+"kms:ReplicateKey")
	r.annMay(may("kms:ReplicateKey", `"kms:ReplicaRegion":"eu-1"`))
	r.denied("to another region", replicate(), byIdentity+"kms:ReplicateKey")
	r.annMay(may("kms:ReplicateKey", `"kms:ReplicaRegion":"us-west-2","kms:MultiRegionKeyType":"PRIMARY"`))
	r.denied("without CreateKey", replicate(), byIdentity+"kms:CreateKey")
	r.annMay(may("kms:ReplicateKey", "") + "," + may("kms:CreateKey", `"aws:RequestedRegion":"local-1"`))
	r.denied("with CreateKey at home", replicate(), byIdentity+"kms:CreateKey")
	r.annMay(may("kms:ReplicateKey", "") + "," + may("kms:CreateKey", there))
	r.denied("tags without TagResource", replicate(tag), byIdentity+"kms:TagResource")
	r.annMay(may("kms:ReplicateKey", "") + "," + may("kms:CreateKey", there) + "," + may("kms:TagResource", there+`,"aws:RequestTag/a":"1"`))
	r.allowed("all of it", replicate(tag))

	update := func() error {
		_, err := ann.UpdatePrimaryRegion(t.Context(), &kms.UpdatePrimaryRegionInput{KeyId: &id, PrimaryRegion: new(westRegion)})
		return err
	}
	_, err := ann.UpdatePrimaryRegion(t.Context(), &kms.UpdatePrimaryRegionInput{KeyId: &id, PrimaryRegion: new(thirdRegion)})
	r.denied("to where no replica is", err, byIdentity+"kms:UpdatePrimaryRegion")
	resource := func(region string) string {
		return `{"Effect":"Allow","Action":"kms:UpdatePrimaryRegion","Resource":"arn:aws:kms:` + region + `:*:key/*","Condition":{"StringEquals":{"kms:PrimaryRegion":"us-west-2"}}}`
	}
	r.annMay(resource(homeRegion))
	r.denied("primary alone", update(), "arn:aws:kms:us-west-2")
	r.annMay(resource(westRegion))
	r.denied("replica alone", update(), "arn:aws:kms:local-1")
	r.annMay(resource(homeRegion) + "," + resource(westRegion))
	r.allowed("both", update())
}

// TestReplicaMaterial: rotation is the primary's and shared; grants are not; and
// replicas of key pairs are the same pair.
func TestReplicaMaterial(t *testing.T) {
	kit := testkit.Start(t)
	home, west, ctx := kit.KMS(homeRegion), kit.KMS(westRegion), t.Context()
	id := newPrimary(t, kit)
	must(replicate(kit, id, westRegion))
	before := must(west.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})).CiphertextBlob
	_, err := west.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	refused(t, "rotation of a replica", err, "UnsupportedOperationException", "is a multi-Region replica key")
	must(home.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id}))
	first, second := stateIn(t, kit, homeRegion, id).CurrentKeyMaterialId, stateIn(t, kit, westRegion, id).CurrentKeyMaterialId
	old := must(home.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: before})).KeyMaterialId
	if *first != *second || *old == *first {
		t.Errorf("material %s at home, %s in the west, %s before", *first, *second, *old)
	}
	after := must(west.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})).CiphertextBlob
	if opened := must(home.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: after})); *opened.KeyMaterialId != *first {
		t.Errorf("encrypted under %s after the rotation", *opened.KeyMaterialId)
	}
	must(replicate(kit, id, thirdRegion))
	must(kit.KMS(thirdRegion).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: before}))

	must(home.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &id, GranteePrincipal: new(rootARN), Operations: []types.GrantOperation{types.GrantOperationDecrypt},
	}))
	if l := must(west.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &id})); len(l.Grants) != 0 {
		t.Errorf("%d grants on the replica", len(l.Grants))
	}

	pair := must(home.CreateKey(ctx, &kms.CreateKeyInput{
		MultiRegion: new(true), KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify,
	})).KeyMetadata.KeyId
	must(replicate(kit, *pair, westRegion))
	signed := must(home.Sign(ctx, &kms.SignInput{KeyId: pair, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}))
	must(west.Verify(ctx, &kms.VerifyInput{
		KeyId: pair, Message: []byte("m"), Signature: signed.Signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	}))
}
