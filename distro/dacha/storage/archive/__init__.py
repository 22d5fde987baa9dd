"""Archives from strangers, read, checked and written anew, so that GNU tar only ever sees one of ours."""
