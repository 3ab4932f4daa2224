package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
)

const day = 24 * time.Hour

// sweepAt moves the appliance's clock to so long after the real one, and does
// what is due then.
func sweepAt(t *testing.T, kit *testkit.Kit, after time.Duration) {
	t.Helper()
	kit.Offset.Store(int64(after))
	if err := kit.Server.Sweep(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func rotations(t *testing.T, c *kms.Client, id string, include types.IncludeKeyMaterial) []types.RotationsListEntry {
	t.Helper()
	return must(c.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: include})).Rotations
}

func rotationStatus(t *testing.T, c *kms.Client, id string) *kms.GetKeyRotationStatusOutput {
	t.Helper()
	return must(c.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: &id}))
}

// TestAutomaticRotation: a key gets new material on its date and not before; one
// rotation makes up for the dates that were missed; everything stays readable.
func TestAutomaticRotation(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	encrypt := func() []byte {
		return must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})).CiphertextBlob
	}
	blobs := [][]byte{encrypt()}
	if s := rotationStatus(t, c, id); s.KeyRotationEnabled || s.NextRotationDate != nil || s.RotationPeriodInDays != nil {
		t.Errorf("a new key: %+v", s)
	}
	must(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: new(int32(90))}))
	s := rotationStatus(t, c, id)
	if !s.KeyRotationEnabled || *s.RotationPeriodInDays != 90 || !s.NextRotationDate.After(time.Now().Add(89*day)) {
		t.Errorf("enabled: %+v", s)
	}
	must(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: new(int32(90))}))
	if again := rotationStatus(t, c, id); !again.NextRotationDate.Equal(*s.NextRotationDate) {
		t.Errorf("enabled again: %s, before %s", again.NextRotationDate, s.NextRotationDate)
	}
	sweepAt(t, kit, 90*day-time.Minute)
	if l := rotations(t, c, id, ""); len(l) != 0 {
		t.Errorf("a minute before: %v", l)
	}
	first := kit.Log.Size()
	sweepAt(t, kit, 90*day+time.Minute)
	checkRotateEvent(t, kit.Events(first), id)
	blobs = append(blobs, encrypt())
	kit.Restart() // after years of downtime
	sweepAt(t, kit, 900*day)
	blobs = append(blobs, encrypt())
	l := rotations(t, c, id, types.IncludeKeyMaterialRotationsOnly)
	if len(l) != 2 || l[0].RotationType != types.RotationTypeAutomatic || l[0].KeyMaterialState != types.KeyMaterialStateNonCurrent ||
		l[1].KeyMaterialState != types.KeyMaterialStateCurrent || l[1].RotationDate.Sub(*l[0].RotationDate) < 800*day {
		t.Errorf("rotations %+v", l)
	}
	next := *rotationStatus(t, c, id).NextRotationDate
	if want := kit.Now().Add(90 * day); next.After(want) || next.Before(want.Add(-time.Hour)) {
		t.Errorf("next rotation %s, want 90 days from now, %s", next, want)
	}
	readable(t, c, id, blobs)
	kit.Restart()
	readable(t, c, id, blobs)
	must(c.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &id}))
	sweepAt(t, kit, 2000*day)
	if l := rotations(t, c, id, ""); len(l) != 2 || rotationStatus(t, c, id).KeyRotationEnabled {
		t.Errorf("after DisableKeyRotation: %v", l)
	}
}

// readable decrypts a ciphertext of every material, in the order of their age, and
// finds the ids that ListKeyRotations and DescribeKey tell.
func readable(t *testing.T, c *kms.Client, id string, blobs [][]byte) {
	t.Helper()
	all := rotations(t, c, id, types.IncludeKeyMaterialAllKeyMaterial)
	if len(all) != len(blobs) {
		t.Fatalf("%d materials, %d ciphertexts", len(all), len(blobs))
	}
	if all[0].RotationDate != nil || all[0].RotationType != "" {
		t.Errorf("first material: %+v", all[0])
	}
	for i, blob := range blobs {
		d := must(c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}))
		if string(d.Plaintext) != "x" || *d.KeyMaterialId != *all[i].KeyMaterialId {
			t.Errorf("ciphertext %d: material %s, want %s", i, *d.KeyMaterialId, *all[i].KeyMaterialId)
		}
	}
	m := must(c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})).KeyMetadata
	if last := all[len(all)-1]; *m.CurrentKeyMaterialId != *last.KeyMaterialId || last.KeyMaterialState != types.KeyMaterialStateCurrent {
		t.Errorf("current material %s, last rotation %+v", *m.CurrentKeyMaterialId, last)
	}
}

func checkRotateEvent(t *testing.T, events [][]byte, id string) {
	t.Helper()
	var e struct {
		EventName, EventType, EventSource string
		UserIdentity                      struct{ InvokedBy string }
		ServiceEventDetails               map[string]string
		Resources                         []struct{ ARN string }
	}
	if len(events) == 0 || json.Unmarshal(events[0], &e) != nil || e.EventName != "RotateKey" || e.EventType != "AwsServiceEvent" ||
		e.UserIdentity.InvokedBy != "AWS Internal" || e.ServiceEventDetails["keyId"] != id ||
		e.ServiceEventDetails["rotationType"] != "AUTOMATIC" || !strings.HasSuffix(e.Resources[0].ARN, id) {
		t.Errorf("events %s", events)
	}
}

// TestRotationWaits: a key that is disabled or pending deletion is not rotated; it
// is as soon as it is enabled again.
func TestRotationWaits(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	disabled, pending := kit.NewKey(region), kit.NewKey(region)
	for _, id := range []string{disabled, pending} {
		must(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id}))
	}
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabled}))
	kit.Offset.Store(int64(364 * day))
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &pending}))
	if s := rotationStatus(t, c, disabled); !s.KeyRotationEnabled || *s.RotationPeriodInDays != 365 {
		t.Errorf("disabled: %+v", s)
	}
	if s := rotationStatus(t, c, pending); s.KeyRotationEnabled || s.NextRotationDate != nil {
		t.Errorf("pending deletion: %+v", s)
	}
	sweepAt(t, kit, 370*day)
	must(c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &pending}))
	sweepAt(t, kit, 370*day)
	for _, id := range []string{disabled, pending} {
		if l := rotations(t, c, id, ""); len(l) != 0 {
			t.Errorf("rotated while not enabled: %v", l)
		}
		must(c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id}))
	}
	sweepAt(t, kit, 370*day)
	for _, id := range []string{disabled, pending} {
		if l := rotations(t, c, id, ""); len(l) != 1 || !rotationStatus(t, c, id).KeyRotationEnabled {
			t.Errorf("enabled again: %v", l)
		}
	}
}

// TestRotateKeyOnDemand: 25 times, each leaving the schedule alone, and pages that
// hold while the list grows.
func TestRotateKeyOnDemand(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	must(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id}))
	next := *rotationStatus(t, c, id).NextRotationDate
	var blobs [][]byte
	var ids []string
	var marker *string
	for i := range 25 {
		blobs = append(blobs, must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})).CiphertextBlob)
		out := must(c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id}))
		if *out.KeyId != id {
			t.Errorf("KeyId %s", *out.KeyId)
		}
		if i%3 == 2 { // a page of two while the list grows by three
			page := must(c.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &id, Limit: new(int32(2)), Marker: marker}))
			for _, r := range page.Rotations {
				ids = append(ids, *r.KeyMaterialId)
			}
			if marker = page.NextMarker; !page.Truncated || len(page.Rotations) != 2 {
				t.Fatalf("page %d: %+v", i, page)
			}
		}
	}
	blobs = append(blobs, must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})).CiphertextBlob)
	readable(t, c, id, blobs)
	var want []string
	for _, r := range rotations(t, c, id, "")[:len(ids)] {
		want = append(want, *r.KeyMaterialId)
	}
	if !slices.Equal(ids, want) {
		t.Errorf("pages %v, list %v", ids, want)
	}
	s := rotationStatus(t, c, id)
	if !s.NextRotationDate.Equal(next) || s.OnDemandRotationStartDate != nil {
		t.Errorf("status %+v, next before %s", s, next)
	}
	_, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	refused(t, "26th", err, "LimitExceededException", "No more on-demand rotations can be performed for this key: arn:")
	_, err = c.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &id, Marker: new("nonsense")})
	refused(t, "marker", err, "InvalidMarkerException", "Could not deserialize marker")
}

// TestRotationRefuses provokes each refusal of the five operations.
func TestRotationRefuses(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	calls := map[string]func(id string) error{
		"EnableKeyRotation": func(id string) error {
			_, err := c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id})
			return err
		},
		"DisableKeyRotation": func(id string) error {
			_, err := c.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &id})
			return err
		},
		"RotateKeyOnDemand": func(id string) error {
			_, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
			return err
		},
		"GetKeyRotationStatus": func(id string) error {
			_, err := c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &id})
			return err
		},
		"ListKeyRotations": func(id string) error {
			_, err := c.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &id})
			return err
		},
	}
	mac := *must(c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac})).KeyMetadata.KeyId
	absent := "12345678-1234-1234-1234-123456789012"
	for name, call := range calls {
		reads := name == "GetKeyRotationStatus" || name == "ListKeyRotations"
		refused(t, name, call(absent), "NotFoundException", "Key '"+fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", region, testkit.Account, absent)+"' does not exist")
		refused(t, name, call("arn:aws:s3:::x"), "InvalidArnException", "Invalid arn arn:aws:s3:::x")
		inStates(t, c, func(state, id, arn string) {
			switch {
			case state == "Disabled" && !reads:
				refused(t, name+" "+state, call(id), "DisabledException", arn+" is disabled.")
			case state == "PendingDeletion" && !reads:
				refused(t, name+" "+state, call(id), "KMSInvalidStateException", arn+" is pending deletion.")
			default:
				if err := call(id); err != nil {
					t.Errorf("%s %s: %v", name, state, err)
				}
			}
		})
		if name == "GetKeyRotationStatus" { // AWS answers false for specs that have no rotation
			if s := rotationStatus(t, c, mac); s.KeyRotationEnabled {
				t.Errorf("HMAC key: %+v", s)
			}
			continue
		}
		refused(t, name+" HMAC", call(mac), "UnsupportedOperationException", "")
	}
	id := kit.NewKey(region)
	for _, days := range []int32{89, 2561} {
		_, err := c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: &days})
		refused(t, fmt.Sprint(days), err, "ValidationException", fmt.Sprintf("Value '%d' at 'rotationPeriodInDays' failed to satisfy constraint", days))
	}
}

// TestDeletedWithAllMaterial: nothing of a key's materials, old or new, is left
// when it is destroyed, nor of its schedule.
func TestDeletedWithAllMaterial(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	must(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id}))
	must(c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id}))
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	sweepAt(t, kit, 31*day)
	sweepAt(t, kit, 400*day)
	if left := recordsOf(t, kit, id); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// recordsOf lists the records whose path or value names the key.
func recordsOf(t *testing.T, kit *testkit.Kit, id string) (paths []string) {
	t.Helper()
	err := kit.DB.View(t.Context(), func(tx store.Tx) error {
		for path, value := range tx.Scan("kms/", "") {
			if strings.Contains(path, id) || bytes.Contains(value, []byte(id)) {
				paths = append(paths, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
