package server_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	keydkms "github.com/keyd-hsm/keyd/kms"
)

func (r *ruled) grants(change func(*kms.ListGrantsInput)) (*kms.ListGrantsOutput, error) {
	in := &kms.ListGrantsInput{KeyId: &r.key}
	if change != nil {
		change(in)
	}
	return r.KMS(region).ListGrants(r.t.Context(), in)
}

func ids(grants []types.GrantListEntry) []string {
	var list []string
	for _, g := range grants {
		list = append(list, *g.GrantId)
	}
	return list
}

func TestGrantShown(t *testing.T) {
	r := startRuled(t)
	context := map[string]string{"a": "b"}
	g := r.grant(annARN, func(in *kms.CreateGrantInput) {
		in.KeyId, in.Name, in.RetiringPrincipal = aws.String(keyARN(r.key)), aws.String("n"), aws.String(rootARN)
		in.Constraints = &types.GrantConstraints{EncryptionContextSubset: context}
	}, decryptOp, encryptOp, decryptOp)
	if len(*g.GrantId) != 64 || strings.Trim(*g.GrantId, "0123456789abcdef") != "" {
		t.Errorf("id %s", *g.GrantId)
	}
	shown := must(r.grants(nil)).Grants[0]
	if *shown.KeyId != keyARN(r.key) || *shown.GrantId != *g.GrantId || *shown.Name != "n" || *shown.GranteePrincipal != annARN ||
		*shown.RetiringPrincipal != rootARN || *shown.IssuingAccount != rootARN || shown.CreationDate.IsZero() ||
		!slices.Equal(shown.Operations, []types.GrantOperation{decryptOp, encryptOp}) ||
		!maps.Equal(shown.Constraints.EncryptionContextSubset, context) || shown.Constraints.EncryptionContextEquals != nil {
		t.Errorf("%+v", shown)
	}
	if bare := r.grant(annARN, nil, encryptOp); bare != nil {
		got := must(r.grants(func(in *kms.ListGrantsInput) { in.GrantId = bare.GrantId })).Grants
		if len(got) != 1 || got[0].RetiringPrincipal != nil || got[0].Constraints != nil {
			t.Errorf("%+v", got)
		}
	}
}

// TestListGrants: pages stay right while grants come and go.
func TestListGrants(t *testing.T) {
	r := startRuled(t)
	r.UserWithKey("bob")
	all := map[string]bool{}
	for range 6 {
		all[*r.grant(annARN, retiredBy(rootARN), encryptOp).GrantId] = true
	}
	bobs := *r.grant("arn:aws:iam::111122223333:user/bob", nil, encryptOp).GrantId
	list := must(r.grants(nil))
	if len(list.Grants) != 7 || list.Truncated || list.NextMarker != nil {
		t.Fatalf("%+v", list)
	}
	first := must(r.grants(func(in *kms.ListGrantsInput) { in.Limit = aws.Int32(3) }))
	if len(first.Grants) != 3 || !first.Truncated {
		t.Fatalf("%+v", first)
	}
	gone := first.Grants[2].GrantId // the very one that the marker names
	r.allowed("revoke", r.revoke(r.root(), gone))
	rest := must(r.grants(func(in *kms.ListGrantsInput) { in.Marker = first.NextMarker }))
	seen := append(ids(first.Grants), ids(rest.Grants)...)
	if len(seen) != 7 || rest.Truncated || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 7 {
		t.Errorf("seen %v", seen)
	}
	only := must(r.grants(func(in *kms.ListGrantsInput) { in.GranteePrincipal = aws.String("arn:aws:iam::111122223333:user/bob") }))
	if !slices.Equal(ids(only.Grants), []string{bobs}) {
		t.Errorf("bob's: %v", ids(only.Grants))
	}
	none := must(r.grants(func(in *kms.ListGrantsInput) { in.GranteePrincipal, in.GrantId = aws.String(annARN), &bobs }))
	if len(none.Grants) != 0 {
		t.Errorf("of another grantee: %v", ids(none.Grants))
	}
	var retirable []string
	marker := (*string)(nil)
	for {
		out := must(r.KMS(region).ListRetirableGrants(t.Context(), &kms.ListRetirableGrantsInput{
			RetiringPrincipal: aws.String(rootARN), Limit: aws.Int32(2), Marker: marker,
		}))
		retirable = append(retirable, ids(out.Grants)...)
		if marker = out.NextMarker; marker == nil {
			break
		}
	}
	delete(all, *gone) // bob's is not among them
	slices.Sort(retirable)
	if !slices.Equal(retirable, slices.Sorted(maps.Keys(all))) {
		t.Errorf("retirable %v", retirable)
	}
}

// TestGrantRefusals provokes each exception of the operations on grants.
func TestGrantRefusals(t *testing.T) {
	r := startRuled(t, testkit.WithLimits(keydkms.Limits{GrantsPerKey: 3}, iam.Limits{}))
	c, ctx := r.KMS(region), t.Context()
	const absent, unknown = "00000000-0000-4000-8000-000000000000", "Grant ID "
	none := strings.Repeat("0", 64)
	create := func(change func(*kms.CreateGrantInput)) error {
		return second(r.grantBy(r.root(), annARN, change, encryptOp))
	}
	operations := func(ops ...types.GrantOperation) func(*kms.CreateGrantInput) {
		return func(in *kms.CreateGrantInput) { in.Operations = append([]types.GrantOperation{}, ops...) }
	}
	many := map[string]string{}
	for i := range 9 {
		many[strconv.Itoa(i)] = "v"
	}
	hmac := *must(c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac})).KeyMetadata.KeyId
	g := r.grant(annARN, nil, encryptOp)
	for what, x := range map[string]struct {
		err        error
		code, text string
	}{
		"key": {create(func(in *kms.CreateGrantInput) { in.KeyId = aws.String(absent) }), "NotFoundException", "does not exist"},
		"ARN": {create(func(in *kms.CreateGrantInput) { in.KeyId = aws.String("arn:aws:kms:x") }), "InvalidArnException", "Invalid arn"},
		"no grantee": {create(func(in *kms.CreateGrantInput) { in.GranteePrincipal = nil }), "ValidationException",
			"1 validation error detected: Value null at 'granteePrincipal' failed to satisfy constraint: Member must not be null"},
		"service":    {create(func(in *kms.CreateGrantInput) { in.GranteeServicePrincipal = aws.String("sns.amazonaws.com") }), "ValidationException", "Grants to services"},
		"operation":  {create(operations("Fly")), "ValidationException", "operations"},
		"none":       {create(operations()), "ValidationException", "operations"},
		"alone":      {create(operations(grantOp)), "ValidationException", "Grants must not contain only the CreateGrant operation."},
		"wrong for":  {create(operations(encryptOp, types.GrantOperationSign)), "ValidationException", "Operations [Sign] are not valid"},
		"of another": {create(func(in *kms.CreateGrantInput) { in.KeyId = &hmac }), "ValidationException", "Operations [Encrypt] are not valid"},
		"constraint": {create(func(in *kms.CreateGrantInput) {
			in.KeyId, in.Operations = &hmac, []types.GrantOperation{types.GrantOperationGenerateMac}
			subset(map[string]string{"a": "b"})(in)
		}), "ValidationException", "symmetric encryption keys only"},
		"pairs":     {create(subset(many)), "ValidationException", "at most 8 pairs"},
		"long":      {create(equals(map[string]string{"a": strings.Repeat("x", 385)})), "ValidationException", "384"},
		"name":      {create(func(in *kms.CreateGrantInput) { in.Name = aws.String("a b") }), "ValidationException", "name"},
		"token":     {create(func(in *kms.CreateGrantInput) { in.GrantTokens = []string{"AQ=="} }), "InvalidGrantTokenException", ""},
		"dry run":   {create(func(in *kms.CreateGrantInput) { in.DryRun = aws.Bool(true) }), "DryRunOperationException", "would have succeeded"},
		"revoke":    {r.revoke(r.root(), &none), "NotFoundException", unknown + none},
		"grant id":  {r.revoke(r.root(), aws.String("x")), "InvalidGrantIdException", "x"},
		"list id":   {second(r.grants(func(in *kms.ListGrantsInput) { in.GrantId = aws.String("x") })), "InvalidGrantIdException", "x"},
		"marker":    {second(r.grants(func(in *kms.ListGrantsInput) { in.Marker = aws.String("x") })), "InvalidMarkerException", "marker"},
		"principal": {second(r.grants(func(in *kms.ListGrantsInput) { in.GranteePrincipal = aws.String("bob") })), "InvalidArnException", "bob"},
		"retire":    {second(c.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &r.key})), "ValidationException", "Grant token OR"},
		"both":      {second(c.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &r.key, GrantId: g.GrantId, GrantToken: g.GrantToken})), "ValidationException", "Grant token OR"},
		"dry retire": {second(c.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: g.GrantToken, DryRun: aws.Bool(true)})),
			"DryRunOperationException", "would have succeeded"},
		"dry revoke": {second(c.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &r.key, GrantId: g.GrantId, DryRun: aws.Bool(true)})),
			"DryRunOperationException", "would have succeeded"},
	} {
		refused(t, what, x.err, x.code, x.text)
	}
	r.allowed("still there", r.encrypt(r.ann))
	r.grant(annARN, nil, encryptOp)
	r.grant(annARN, func(in *kms.CreateGrantInput) { in.Name = aws.String("n") }, encryptOp)
	refused(t, "one too many", create(nil), "LimitExceededException", "at most 3 grants")
	r.allowed("one of them again", create(func(in *kms.CreateGrantInput) { in.Name = aws.String("n") }))
	r.allowed("revoke", r.revoke(r.root(), g.GrantId))
	r.allowed("room again", create(nil))

	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &r.key}))
	refused(t, "disabled", create(nil), "DisabledException", "is disabled.")
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &r.key}))
	refused(t, "pending deletion", create(nil), "KMSInvalidStateException", "is pending deletion.")
	for _, id := range ids(must(r.grants(nil)).Grants) {
		r.allowed("revoke all the same", r.revoke(r.root(), &id))
	}
}

// TestGrantInForce: a grant works when CreateGrant has returned, and no longer
// when RevokeGrant has, on connections that are open and under load.
func TestGrantInForce(t *testing.T) {
	r := startRuled(t)
	busy := make(chan error)
	stop := make(chan struct{})
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					busy <- nil
					return
				default:
					_ = r.encrypt(r.ann) // allowed or not, as it happens
				}
			}
		}()
	}
	for range 20 {
		g := r.grant(annARN, nil, encryptOp)
		r.allowed("granted", r.encrypt(r.ann))
		r.allowed("revoke", r.revoke(r.root(), g.GrantId))
		r.denied("revoked", r.encrypt(r.ann), byIdentity)
	}
	close(stop)
	for range 4 {
		<-busy
	}
}

func TestIgnoreCiphertext(t *testing.T) {
	r := startRuled(t)
	c := r.KMSWith(region, r.ann)
	decrypt := func(dry bool, blob []byte, key *string) error {
		return second(c.Decrypt(t.Context(), &kms.DecryptInput{
			CiphertextBlob: blob, KeyId: key, DryRun: &dry, DryRunModifiers: []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext},
		}))
	}
	reEncrypt := func(blob []byte, key *string) error {
		return second(c.ReEncrypt(t.Context(), &kms.ReEncryptInput{
			CiphertextBlob: blob, SourceKeyId: key, DestinationKeyId: &r.key, DryRun: aws.Bool(true),
			DryRunModifiers: []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext},
		}))
	}
	r.denied("no right", decrypt(true, nil, &r.key), byIdentity)
	r.annMay(anyKMS)
	const yes = "DryRunOperationException"
	refused(t, "no ciphertext", decrypt(true, nil, &r.key), yes, "would have succeeded")
	refused(t, "rubbish", decrypt(true, []byte("rubbish"), &r.key), yes, "would have succeeded")
	refused(t, "ReEncrypt", reEncrypt(nil, &r.key), yes, "would have succeeded")
	refused(t, "no key", decrypt(true, nil, nil), "ValidationException", "keyId")
	refused(t, "no key to ReEncrypt from", reEncrypt(nil, nil), "ValidationException", "keyId")
	refused(t, "in earnest", decrypt(false, nil, &r.key), "ValidationException", "ciphertextBlob")
	refused(t, "rubbish in earnest", decrypt(false, []byte("rubbish"), &r.key), "InvalidCiphertextException", "")
	refused(t, "rubbish without the key", decrypt(true, []byte("rubbish"), nil), "InvalidCiphertextException", "")
}
