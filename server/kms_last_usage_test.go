package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

func (r *ruled) usage(key string) *kms.GetKeyLastUsageOutput {
	r.t.Helper()
	return must(r.KMS(region).GetKeyLastUsage(r.t.Context(), &kms.GetKeyLastUsageInput{KeyId: &key}))
}

func TestKeyLastUsage(t *testing.T) {
	r := startRuled(t)
	c := r.KMS(region)
	unused := r.usage(r.key)
	if unused.KeyLastUsage != nil || *unused.KeyId != keyARN(r.key) || unused.KeyCreationDate.IsZero() || unused.TrackingStartDate.After(*unused.KeyCreationDate) {
		t.Errorf("unused: %+v", unused)
	}
	must(c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &r.key}))
	refused(t, "dry run", second(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m"), DryRun: aws.Bool(true)})), "DryRunOperationException", "would")
	r.denied("refused", r.encrypt(r.ann), byIdentity)
	if u := r.usage(r.key); u.KeyLastUsage != nil {
		t.Errorf("nothing was done with it, yet %+v", u.KeyLastUsage)
	}
	blob := must(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m")})).CiphertextBlob
	r.used(t, r.key, types.KeyLastUsageTrackingOperationEncrypt)
	other := r.NewKey(region)
	must(c.ReEncrypt(t.Context(), &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &other}))
	for _, key := range []string{r.key, other} {
		r.used(t, key, types.KeyLastUsageTrackingOperationReEncrypt)
	}
	before := r.usage(r.key).KeyLastUsage
	r.Restart()
	if after := r.usage(r.key).KeyLastUsage; after == nil || *after.CloudTrailEventId != *before.CloudTrailEventId || !after.Timestamp.Equal(*before.Timestamp) {
		t.Errorf("after a restart: %+v, before %+v", after, before)
	}
	_, err := c.GetKeyLastUsage(t.Context(), &kms.GetKeyLastUsageInput{KeyId: aws.String("00000000-0000-4000-8000-000000000000")})
	refused(t, "absent", err, "NotFoundException", "does not exist")
	_, err = c.GetKeyLastUsage(t.Context(), &kms.GetKeyLastUsageInput{KeyId: aws.String("arn:aws:kms:x")})
	refused(t, "ARN", err, "InvalidArnException", "Invalid arn")
}

// used checks that the last event of the log is the last use of a key.
func (r *ruled) used(t *testing.T, key string, operation types.KeyLastUsageTrackingOperation) {
	t.Helper()
	u := r.usage(key).KeyLastUsage
	if u == nil || u.Operation != operation || u.Timestamp == nil {
		t.Fatalf("%+v, want %s", u, operation)
	}
	for _, line := range r.Events(0) {
		var e struct{ EventID, RequestID, EventName string }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.EventID == *u.CloudTrailEventId && e.RequestID == *u.KmsRequestId && e.EventName == string(operation) {
			return
		}
	}
	t.Errorf("no event %s of request %s", *u.CloudTrailEventId, *u.KmsRequestId)
}

// TestIdleConditions: section 12, kms:TrailingDaysWithoutKeyUsage.
func TestIdleConditions(t *testing.T) {
	r := startRuled(t)
	r.annMay(`{"Effect":"Allow","Action":["kms:DisableKey","kms:ScheduleKeyDeletion"],"Resource":"*","Condition":{"NumericGreaterThanEquals":{"kms:TrailingDaysWithoutKeyUsage":"30"}}}`)
	c := r.KMSWith(region, r.ann)
	disable := func() error { return second(c.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &r.key})) }
	const day = 24 * time.Hour
	r.denied("a new key", disable(), byIdentity+"kms:DisableKey action")
	r.Offset.Store(int64(29 * day))
	r.denied("29 days unused", disable(), byIdentity)
	r.allowed("used", r.encrypt(r.root()))
	r.Offset.Store(int64(58 * day))
	r.denied("29 days after that", disable(), byIdentity)
	r.Offset.Store(int64(59*day) + int64(time.Minute))
	r.allowed("30 days", disable())
	r.allowed("deletion too", second(c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &r.key})))
}

// TestUndelegated: rule 9.3, a key policy that leaves nothing to the account is
// saved, and the log has a warning.
func TestUndelegated(t *testing.T) {
	var log bytes.Buffer
	r := startRuled(t, testkit.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	put := func(statements string) {
		t.Helper()
		r.allowed("put", second(r.KMS(region).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &r.key, Policy: document(statements), BypassPolicyLockoutSafetyCheck: true})))
	}
	put(toKey("Allow", rootARN))
	if log.Len() > 0 {
		t.Errorf("log: %s", &log)
	}
	put(toKey("Allow", "*"))
	if !strings.Contains(log.String(), "key policy leaves nothing to the account") || !strings.Contains(log.String(), keyARN(r.key)) {
		t.Errorf("log: %s", &log)
	}
}
