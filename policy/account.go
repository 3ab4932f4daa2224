package policy

// crossAccount holds, in lower case, the actions that work on another account's
// resources; every other fails there whatever policies say (rule 3.8).
var crossAccount = actions(
	"kms:encrypt", "kms:decrypt", "kms:reencryptfrom", "kms:reencryptto",
	"kms:generatedatakey", "kms:generatedatakeywithoutplaintext",
	"kms:generatedatakeypair", "kms:generatedatakeypairwithoutplaintext",
	"kms:generatemac", "kms:verifymac", "kms:sign", "kms:verify", "kms:derivesharedsecret",
	"kms:creategrant", "kms:describekey", "kms:getkeyrotationstatus", "kms:getpublickey",
	"kms:listgrants", "kms:retiregrant", "kms:revokegrant",
	// Roles are made to be assumed from elsewhere (rule 10.4).
	"sts:assumerole", "sts:assumerolewithwebidentity", "sts:setsourceidentity", "sts:tagsession",
)

func actions(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}
