package policy_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/policy"
)

func TestConditions(t *testing.T) {
	t.Run("4.1 and, or, nor", func(t *testing.T) {
		two := `"Condition":{"StringEquals":{"a":["1","2"],"b":"3"},"StringNotEquals":{"c":["4","5"]}}`
		check(t, []truth{
			{two, facts(text("a", "2"), text("b", "3"), text("c", "6")), true},
			{two, facts(text("a", "2"), text("b", "0"), text("c", "6")), false},
			{two, facts(text("a", "0"), text("b", "3"), text("c", "6")), false},
			{two, facts(text("a", "1"), text("b", "3"), text("c", "5")), false},
		})
	})
	t.Run("4.2 keys without case", func(t *testing.T) {
		dept := condition("StringEquals", "kms:encryptioncontext:DEPT", `"hr"`)
		check(t, []truth{
			{dept, facts(text("kms:EncryptionContext:Dept", "hr")), true},
			{dept, facts(text("kms:EncryptionContext:Dept", "HR")), false},
			{dept, facts(text("kms:EncryptionContext:Dept", "hr"), text("kms:EncryptionContext:dept", "it")), false},
			{dept, facts(text("kms:EncryptionContext:Dept", "hr"), text("kms:EncryptionContext:dept", "hr")), true},
			{condition("ForAnyValue:StringEquals", "a", `"x"`), facts(text("A", "x"), text("a", "y")), false},
			{condition("StringNotEquals", "a", `"x"`), facts(text("A", "x"), text("a", "y")), false},
			{condition("StringEquals", "b", `"${a}"`), facts(text("A", "x"), text("a", "y"), text("b", "x")), false},
			{condition("StringNotEquals", "b", `"${a}"`), facts(text("A", "x"), text("a", "y"), text("b", "z")), false},
		})
		deny := situation{key: named("Allow", alice), identity: statement("Deny", dept)}
		deny.facts = facts(text("kms:EncryptionContext:Dept", "hr"), text("kms:EncryptionContext:dept", "it"))
		deny.want(t, policy.ExplicitlyDenied)
		deny.identity = statement("Deny", condition("StringEquals", "b", `"${kms:EncryptionContext:dept}"`))
		deny.want(t, policy.ExplicitlyDenied)
		deny.identity = statement("Deny", `"Resource":"arn:aws:kms:us-east-1:111122223333:${kms:EncryptionContext:dept}"`)
		deny.want(t, policy.ExplicitlyDenied)
	})
	t.Run("4.3 missing key", func(t *testing.T) {
		for operator, value := range everyOperator {
			negated := map[string]bool{
				"StringNotEquals": true, "StringNotEqualsIgnoreCase": true, "StringNotLike": true, "NumericNotEquals": true,
				"DateNotEquals": true, "NotIpAddress": true, "ArnNotEquals": true, "ArnNotLike": true,
			}[operator]
			check(t, []truth{
				{condition(operator, "a", value), nil, negated},
				{condition(operator+"IfExists", "a", value), nil, true},
				{condition("ForAllValues:"+operator, "a", value), nil, true},
				{condition("ForAnyValue:"+operator, "a", value), nil, false},
			})
		}
		check(t, []truth{
			{condition("Null", "a", `"true"`), nil, true}, {condition("Null", "a", `"false"`), nil, false},
			{condition("Null", "a", `"true"`), facts(text("a", "")), false}, {condition("Null", "a", "false"), facts(text("a", "")), true},
			{condition("Null", "a", `true`), facts(texts("a")), true},
		})
	})
	t.Run("4.4 operators", testOperators)
	t.Run("4.5 sets", testSets)
	t.Run("4.6 ForAllValues on a single-valued key", func(t *testing.T) {
		for key, refused := range map[string]bool{
			"kms:EncryptionContext:dept": true, "KMS:encryptioncontext:a": true, "aws:RequestTag/x": true, "kms:EncryptionContextKeys": false, "aws:TagKeys": false,
		} {
			body := statement("Allow", `"Principal":"*",`+condition("ForAllValues:StringLike", key, `"a"`))
			const begin = "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key"
			if got := refusal(t, policy.Key, document(body)); refused != (len(got) > len(begin) && got[:len(begin)] == begin) || !refused && got != "" {
				t.Errorf("%s: %q", key, got)
			}
		}
	})
	t.Run("4.7 types", testTypes)
}

// everyOperator has a value for each operator but Null.
var everyOperator = map[string]string{
	"StringEquals": `"x"`, "StringNotEquals": `"x"`, "StringEqualsIgnoreCase": `"x"`, "StringNotEqualsIgnoreCase": `"x"`, "StringLike": `"x"`, "StringNotLike": `"x"`,
	"NumericEquals": `"1"`, "NumericNotEquals": `"1"`, "NumericLessThan": `"1"`, "NumericLessThanEquals": `"1"`, "NumericGreaterThan": `"1"`, "NumericGreaterThanEquals": `"1"`,
	"DateEquals": `"1"`, "DateNotEquals": `"1"`, "DateLessThan": `"1"`, "DateLessThanEquals": `"1"`, "DateGreaterThan": `"1"`, "DateGreaterThanEquals": `"1"`,
	"Bool": `"true"`, "BinaryEquals": `"AA=="`, "IpAddress": `"10.0.0.0/8"`, "NotIpAddress": `"10.0.0.0/8"`,
	"ArnEquals": `"arn:aws:a:b:c:d"`, "ArnLike": `"arn:aws:a:b:c:d"`, "ArnNotEquals": `"arn:aws:a:b:c:d"`, "ArnNotLike": `"arn:aws:a:b:c:d"`,
}

func testOperators(t *testing.T) {
	const user = `"arn:aws:iam::111122223333:user/*"`
	for _, c := range []struct {
		operator, value, fact string
		want                  bool
	}{
		{"StringEquals", `"x*"`, "x*", true}, {"StringEquals", `"x*"`, "xy", false}, {"StringNotEquals", `"x"`, "y", true},
		{"StringEqualsIgnoreCase", `"ÀX"`, "àx", true}, {"StringEqualsIgnoreCase", `"ax"`, "axe", false}, {"StringNotEqualsIgnoreCase", `"X"`, "x", false},
		{"StringLike", `"a*c?e"`, "abbbcde", true}, {"StringLike", `"a?"`, "aé", true}, {"StringLike", `"*"`, "", true}, {"StringLike", `"a*b*c"`, "a-b-b-d", false}, {"StringNotLike", `"a*"`, "b", true},
		{"NumericEquals", `"07.0"`, "7", true}, {"NumericNotEquals", `7`, "7.1", true}, {"NumericLessThan", `"-1"`, "-1.5", true}, {"NumericLessThanEquals", `"7"`, "7", true},
		{"NumericGreaterThan", `"99999999999999999999"`, "100000000000000000000", true}, {"NumericGreaterThanEquals", `"0.30"`, "0.3", true}, {"NumericGreaterThan", `"9"`, "10", true}, {"NumericEquals", `"-0"`, "0", true},
		{"DateEquals", `"2026-01-01T00:00:00Z"`, "1767225600", true}, {"DateNotEquals", `"2026-01-01"`, "2026-01-02", true}, {"DateLessThan", `"2026-01-01T00:00:00+02:00"`, "2025-12-31T21:59:59Z", true},
		{"DateLessThan", `"2026-01-01T00:00:00+02:00"`, "2025-12-31T22:00:00Z", false}, {"DateEquals", `"2026-01-01T00:00:00.5-01:30"`, "2026-01-01T01:30:00.5Z", true},
		{"DateLessThanEquals", `"2026"`, "2026", true}, {"DateGreaterThan", `"2026-01"`, "2026-01-01T00:00:00.5Z", true}, {"DateGreaterThanEquals", `"2026-01-01T12:00-08:00"`, "2026-01-01T20:00:00Z", true},
		{"Bool", `"TRUE"`, "true", true}, {"Bool", `false`, "true", false}, {"BinaryEquals", `"aGk="`, "aGk=", true}, {"BinaryEquals", `"aGk="`, "aGo=", false},
		{"IpAddress", `["192.0.2.0/24","10.0.0.0/8"]`, "10.1.2.3", true}, {"IpAddress", `"10.0.0.0/8"`, "::ffff:10.1.2.3", true}, {"IpAddress", `"::ffff:10.0.0.0/104"`, "10.1.2.3", true},
		{"IpAddress", `"2001:db8::/32"`, "2001:db8:0::1", true}, {"NotIpAddress", `"10.0.0.0/8"`, "11.0.0.1", true}, {"NotIpAddress", `"10.1.2.3"`, "10.1.2.3", false},
		{"ArnEquals", user, alice, true}, {"ArnLike", user, alice, true}, {"ArnLike", `"*"`, alice, true}, {"ArnLike", `"arn:aws:iam::*user/alice"`, alice, false}, {"ArnLike", `"arn:*"`, alice, false},
		{"ArnNotEquals", user, alice, false}, {"ArnNotLike", user, bob, true}, {"ArnLike", user, "alice", false},
	} {
		check(t, []truth{
			{condition(c.operator, "a", c.value), facts(text("a", c.fact)), c.want},
			{condition(c.operator+"IfExists", "a", c.value), facts(text("a", c.fact)), c.want},
			{condition("ForAllValues:"+c.operator, "a", c.value), facts(texts("a", c.fact)), c.want},
			{condition("ForAnyValue:"+c.operator, "a", c.value), facts(texts("a", c.fact)), c.want},
		})
	}
	check(t, []truth{{condition("StringFoo", "a", `"b"`), facts(text("a", "b")), false}, {condition("stringequals", "a", `"b"`), facts(text("a", "b")), false}})
}

func testSets(t *testing.T) {
	ab := facts(texts("k", "a", "b"))
	check(t, []truth{
		{condition("ForAllValues:StringEquals", "k", `["a","b","c"]`), ab, true}, {condition("ForAllValues:StringEquals", "k", `"a"`), ab, false},
		{condition("ForAllValues:StringNotEquals", "k", `"c"`), ab, true}, {condition("ForAllValues:StringNotEquals", "k", `"a"`), ab, false},
		{condition("ForAnyValue:StringEquals", "k", `"b"`), ab, true}, {condition("ForAnyValue:StringEquals", "k", `"c"`), ab, false},
		{condition("ForAnyValue:StringNotEquals", "k", `"a"`), ab, true}, {condition("ForAnyValue:StringNotEquals", "k", `["a","b"]`), ab, false},
		{condition("ForAllValues:StringEquals", "k", `"a"`), facts(texts("k")), true}, {condition("ForAnyValue:StringNotEquals", "k", `"a"`), facts(texts("k")), false},
		{condition("ForAnyValue:StringNotEquals", "k", `"a"`), nil, false}, {condition("ForAllValues:StringEquals", "k", `"a"`), facts(text("k", "a")), true},
		{condition("StringEquals", "k", `"a"`), facts(texts("k", "a")), false}, {condition("StringNotEquals", "k", `"x"`), facts(texts("k", "a")), false},
		{condition("StringEqualsIfExists", "k", `"a"`), facts(texts("k", "a")), false},
	})
}

func testTypes(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 800, time.FixedZone("x", 3600))
	typed := facts(
		policy.Fact{Key: "n", Value: policy.Int(7)}, policy.Fact{Key: "b", Value: policy.Bool(true)}, policy.Fact{Key: "t", Value: policy.Time(now)},
		policy.Fact{Key: "ip", Value: policy.Addr(netip.MustParseAddr("::ffff:10.1.2.3"))},
	)
	check(t, []truth{
		{condition("NumericEquals", "n", `"7"`), typed, true}, {condition("NumericEquals", "n", `7`), typed, true}, {condition("StringEquals", "n", `7`), typed, true},
		{condition("Bool", "b", `true`), typed, true}, {condition("Bool", "b", `"True"`), typed, true}, {condition("StringEquals", "b", `true`), typed, true},
		{condition("DateLessThan", "t", `"2026-03-04T04:06:08Z"`), typed, true}, {condition("DateGreaterThan", "t", `"2026-03-04T04:06:07Z"`), typed, true},
		{condition("DateGreaterThan", "t", `"2026-03-04T05:06:07Z"`), typed, false}, {condition("StringLike", "t", `"2026-03-04T04:06:07.*Z"`), typed, true},
		{condition("IpAddress", "ip", `"10.1.2.3/32"`), typed, true}, {condition("IpAddress", "ip", `"::/0"`), typed, false},
	})
	for _, bad := range []string{"", "x", "7 ", "+7", "7.", ".7", "1e1", "0x7", "١", "--7"} {
		check(t, []truth{{condition("NumericGreaterThanEquals", "a", `"-9"`), facts(text("a", bad)), false}, {condition("NumericEquals", "a", `"`+bad+`"`), facts(text("a", "7")), false}})
	}
	for _, bad := range []string{"", "x", "2026-13", "2026-02-30", "2026-01-01T24:00", "2026-01-01T00:00:00+1", "2026-01-01T00:00:00.1234567890", "1.5", "2026-01-01-01", "T", "-"} {
		check(t, []truth{{condition("DateGreaterThan", "a", `"0001-01-01"`), facts(text("a", bad)), false}})
	}
	for _, bad := range []string{"", "10.1.2", "10.1.2.3%eth0", "fe80::1%eth0", "10.1.2.3 "} {
		check(t, []truth{{condition("IpAddress", "a", `["0.0.0.0/0","::/0"]`), facts(text("a", bad)), false}})
	}
	check(t, []truth{{condition("Bool", "a", `"false"`), facts(text("a", "no")), false}})
}
