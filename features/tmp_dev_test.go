package features
import ("testing";"os";"compress/gzip";"encoding/json";"bufio";"fmt";"apiml/traffic";"apiml/frame";"sort")
func TestTmpDev(t *testing.T){
 for _,name:=range []string{"fwaf","grananqvist","w3af"}{
  f,_:=os.Open("/work/shared/datasets/attack-dev/"+name+".jsonl.gz"); z,_:=gzip.NewReader(f); sc:=bufio.NewScanner(z); sc.Buffer(make([]byte,1<<20),1<<22)
  g,_:=os.Open("/work/shared/datasets/attack-dev/"+name+".truth.jsonl.gz"); z2,_:=gzip.NewReader(g); sc2:=bufio.NewScanner(z2)
  var reqs []traffic.Request; var labels []string
  for sc.Scan(){ sc2.Scan()
   var m map[string]any; json.Unmarshal(sc.Bytes(),&m); var tr map[string]any; json.Unmarshal(sc2.Bytes(),&tr)
   r:=traffic.Request{Time:traffic.NoTime,Latency:-1,BytesOut:-1}
   r.Method,_=m["request_method"].(string); r.Target,_=m["request_uri"].(string)
   if b,ok:=m["request_body"].(string);ok{r.HasBody=true;r.Body=b}
   reqs=append(reqs,r); labels=append(labels,fmt.Sprint(tr["label"]," ",tr["where"]))
  }
  e:=NewExtractor(Online()); x:=frame.NewMatrix(HTTPSchema(e.State()),len(reqs)); e.Extract(x,reqs)
  strong:=[]int{cSQLFunctions,cSQLUnion,cSQLTautology,cSQLBreak,cSQLComment,cSQLStatement,cActiveTags,cHandlers,cScriptCalls,cTraversal,cSensitiveFile,cSchemes,cCommands,cSubstitution,cExpressions,cServerCode,cNullByte,cHeaderInjection,cQueryObjects,cInternalHost}
  n:=map[string]int{}; hit:=map[string]int{}; per:=map[string]map[string]int{}; shown:=map[string]int{}
  for i:=range reqs{ l:=labels[i]; n[l]++; any:=false
   for _,c:=range strong{ if x.Cols[c][i]>0 { any=true; if per[l]==nil{per[l]=map[string]int{}}; per[l][x.Schema.Columns[c].Name]++ } }
   if any {hit[l]++}
   benign:=l[:4]=="none"
   if any==benign && shown[l]<40 && i%7==0 { shown[l]++; s:=reqs[i].Target; if reqs[i].HasBody{s=reqs[i].Body}; if len(s)>200{s=s[:200]}; fmt.Println(name,l,s) }
  }
  var ks []string; for k:=range n{ks=append(ks,k)}; sort.Strings(ks)
  for _,k:=range ks{ fmt.Println(name,k,n[k],float64(hit[k])/float64(n[k]),per[k]) }
 }
}
