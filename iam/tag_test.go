package iam_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
)

// TestTags: keys keep their case and differ in more than that.
func TestTags(t *testing.T) {
	f := start(t)
	f.user("bob", iam.Tag{Key: "Dept", Value: "a"}, iam.Tag{Key: "env", Value: "prod"})
	tag := func(tags ...iam.Tag) func(iam.Tx) error {
		return func(tx iam.Tx) error { return f.TagUser(tx, "bob", tags) }
	}
	f.do(tag(iam.Tag{Key: "DEPT", Value: "b"}))
	f.do(func(tx iam.Tx) error { return f.UntagUser(tx, "bob", []string{"ENV", "absent"}) })
	u, err := f.User(t.Context(), nil, "bob")
	if diff := cmp.Diff(map[string]string{"DEPT": "b"}, u.Tags); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	f.refused("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
		tag(iam.Tag{Key: "k"}, iam.Tag{Key: "K"}))
	if err := f.try(tag(iam.Tag{Key: "AWS:x"})); err == nil {
		t.Error("reserved key taken")
	}
	var many []iam.Tag
	for i := range 49 {
		many = append(many, iam.Tag{Key: number(i)})
	}
	f.do(tag(many...))
	f.refused("LimitExceeded", "The number of tags has reached the maximum limit.", tag(iam.Tag{Key: "one-more"}))
}
