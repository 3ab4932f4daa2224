package server_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func newTags(pairs ...string) []types.Tag {
	var tags []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, types.Tag{TagKey: &pairs[i], TagValue: &pairs[i+1]})
	}
	return tags
}

func (r *ruled) tag(as aws.CredentialsProvider, pairs ...string) error {
	return second(r.KMSWith(region, as).TagResource(r.t.Context(), &kms.TagResourceInput{KeyId: &r.key, Tags: newTags(pairs...)}))
}

func (r *ruled) untag(as aws.CredentialsProvider, keys ...string) error {
	return second(r.KMSWith(region, as).UntagResource(r.t.Context(), &kms.UntagResourceInput{KeyId: &r.key, TagKeys: keys}))
}

// tags lists all, page by page.
func (r *ruled) tags(limit int32) (pairs []string) {
	in := &kms.ListResourceTagsInput{KeyId: &r.key, Limit: &limit}
	for {
		out := must(r.KMS(region).ListResourceTags(r.t.Context(), in))
		for _, tag := range out.Tags {
			pairs = append(pairs, *tag.TagKey, *tag.TagValue)
		}
		if in.Marker = out.NextMarker; !out.Truncated {
			return pairs
		}
	}
}

func TestTags(t *testing.T) {
	r := startRuled(t)
	r.allowed("tag", r.tag(r.root(), "b", "2", "a", "1", "c", ""))
	r.allowed("in place of one", r.tag(r.root(), "b", "3", "B", "4"))
	for _, limit := range []int32{1, 2, 50} {
		if got := r.tags(limit); !slices.Equal(got, []string{"B", "4", "a", "1", "b", "3", "c", ""}) {
			t.Errorf("pages of %d: %q", limit, got)
		}
	}
	r.allowed("untag, and what is not there", r.untag(r.root(), "a", "B", "x"))
	if got := r.tags(50); !slices.Equal(got, []string{"b", "3", "c", ""}) {
		t.Errorf("%q", got)
	}
	var many []string
	for i := range 48 {
		many = append(many, "k"+strconv.Itoa(i), "v")
	}
	r.allowed("50", r.tag(r.root(), many...))
	r.allowed("50 anew", r.tag(r.root(), many...))
	refused(t, "51", r.tag(r.root(), "one", "more"), "LimitExceededException", "at most 50 tags")
	refused(t, "twice", r.tag(r.root(), "a", "1", "a", "2"), "TagException", "Duplicate tag keys")
	refused(t, "AWS's", r.tag(r.root(), "AWS:a", "1"), "TagException", "Tags beginning with aws: are reserved")
	refused(t, "untag AWS's", r.untag(r.root(), "aws:a"), "TagException", "Tags beginning with aws: are reserved")
	refused(t, "no key", r.tag(r.root(), "", "1"), "ValidationException", "tagKey")
	list := &kms.ListResourceTagsInput{KeyId: &r.key, Marker: aws.String("x")}
	refused(t, "marker", second(r.KMS(region).ListResourceTags(t.Context(), list)), "InvalidMarkerException", "marker")
	must(r.KMS(region).ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &r.key}))
	refused(t, "pending deletion", r.tag(r.root(), "k1", "w"), "KMSInvalidStateException", "is pending deletion.")
	refused(t, "untag pending deletion", r.untag(r.root(), "k1"), "KMSInvalidStateException", "is pending deletion.")
	for key, code := range map[string]string{"00000000-0000-4000-8000-000000000000": "NotFoundException", "arn:aws:kms:x": "InvalidArnException"} {
		r.key = key
		refused(t, "tag", r.tag(r.root(), "a", "b"), code, key)
		refused(t, "untag", r.untag(r.root(), "a"), code, key)
		refused(t, "list", second(r.KMS(region).ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &r.key})), code, key)
	}
}

// TestTagConditions: section 12, rights by tags of key, request and caller.
func TestTagConditions(t *testing.T) {
	r := startRuled(t)
	r.annMay(`{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/dept":"hr"}}},
		{"Effect":"Allow","Action":"kms:TagResource","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/dept":"it"},"ForAllValues:StringEquals":{"aws:TagKeys":["dept","x"]}}},
		{"Effect":"Allow","Action":"kms:UntagResource","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":"x"}}}`)
	r.denied("no tag", r.encrypt(r.ann), byIdentity)
	r.allowed("root tags", r.tag(r.root(), "Dept", "it", "dept", "hr"))
	r.denied("two tags that differ in case must both be right", r.encrypt(r.ann), byIdentity)
	r.allowed("root untags", r.untag(r.root(), "Dept"))
	r.allowed("tagged", r.encrypt(r.ann))
	r.denied("another value", r.tag(r.ann, "dept", "hr"), byIdentity+"kms:TagResource action")
	r.denied("another key too", r.tag(r.ann, "dept", "it", "y", "1"), byIdentity)
	r.allowed("what may be tagged", r.tag(r.ann, "dept", "it", "x", "1"))
	r.denied("at once", r.encrypt(r.ann), byIdentity)
	r.denied("what may not be untagged", r.untag(r.ann, "x", "dept"), byIdentity+"kms:UntagResource action")
	r.allowed("what may", r.untag(r.ann, "x"))
}

// TestAliasConditions: section 12, aliases of a key count in identity policies
// only.
func TestAliasConditions(t *testing.T) {
	r := startRuled(t)
	const aliased = `"Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/a"}}}`
	must(r.KMS(region).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/a"), TargetKeyId: &r.key}))
	r.annMay(`{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*",` + aliased)
	r.allowed("identity policy", r.encrypt(r.ann))
	r.annMay("")
	r.keySays(r.key, `{"Effect":"Allow","Principal":{"AWS":"`+annARN+`"},"Action":"kms:Encrypt","Resource":"*",`+aliased)
	r.denied("key policy", r.encrypt(r.ann), byKeyPolicy+"kms:Encrypt action")
}
