package datasets

func csic2010() Set {
	return Set{
		Name:  "csic2010",
		Title: "HTTP DATASET CSIC 2010: requests to one web shop, normal and anomalous",
		Citation: "C. Torrano Giménez, A. Pérez Villegas, G. Álvarez Marañón: HTTP DATASET CSIC 2010. " +
			"Information Security Institute of CSIC (Spanish Research National Council), 2010",
		Licence: "No licence is stated. Published for research on web attack protection; do not redistribute.",
		URL:     "https://www.isi.csic.es/dataset/",
		Defects: []string{
			"Only 34,604 of the 97,065 requests are distinct (18,216 when GET/POST twins are merged): a random split shows most normal test requests to the model word for word. Split by path and parameters.",
			"Anomalous is not attack: about half of the anomalous requests are unknown paths or parameter names; there are no attack types.",
			"PUT and \"Host: localhost:9090\" occur in 397 anomalous requests and in no normal one; cookies are unique per request. Leave method PUT, Host and Cookie out of the features.",
			"231 URLs have garbage glued to the port and no path (http://localhost:8080.old).",
			"No time, no client address, no session. Text is ISO-8859-1, percent-encoded. The raw files mix CRLF and LF.",
			"The raw files hold no label: it is in the file's name. The CSV form names its first column \"\", spells \"lenght\", has \" HTTP/1.1\" in the URL and the class twice.",
		},
		Columns: []string{
			"", "Method", "User-Agent", "Pragma", "Cache-Control", "Accept", "Accept-encoding",
			"Accept-charset", "language", "host", "cookie", "content-type", "connection", "lenght",
			"content", "classification", "URL",
		},
		Labels: []LabelMap{{"Normal", "none"}, {"Anomalous", "anomalous"}},
		Files: []File{
			{Name: "normalTrafficTraining.txt"},
			{Name: "normalTrafficTest.txt"},
			{Name: "anomalousTrafficTest.txt"},
			{"csic_database.csv", 29539583, "c420f0bc0464376de75b6c419a0ac226fe69fe12c8ac4908843273721e44e637"},
		},
	}
}
