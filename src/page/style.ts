/** The style of the page, complete: no file, no font, no picture from anywhere else. Every colour is a variable, which the
 *  charts use too. The palette keeps its order of lightness, so that it is told apart without colour. */
export const STYLE = `
:root{color-scheme:light dark;
--bg:#f6f6f4;--card:#fff;--ink:#1c1c1a;--muted:#5c5b56;--line:#e0dfd9;--edge:#cfcec7;--focus:#0b57d0;
--lives:#1c64b0;--finished:#0b7a66;--failed:#b3400e;--stopped:#77756d;--on-mark:#fff;--gap:#0000001f;
--s1:#1c64b0;--s2:#b8560a;--s3:#0b7a66;--s4:#8a4a9e;--good:#0b6b4f;--bad:#9a3412;--badbg:#fdf1ea}
@media (prefers-color-scheme:dark){:root{
--bg:#141413;--card:#1d1d1b;--ink:#eeede9;--muted:#aeada5;--line:#33322e;--edge:#45443f;--focus:#8ab8ff;
--lives:#6db1f2;--finished:#4fc3a8;--failed:#ff9663;--stopped:#9a988f;--on-mark:#10100f;--gap:#ffffff24;
--s1:#6db1f2;--s2:#f2a35c;--s3:#4fc3a8;--s4:#d29be6;--good:#6fd3b0;--bad:#ffb08a;--badbg:#33211a}}
@media print{:root{color-scheme:light;
--bg:#fff;--card:#fff;--ink:#000;--muted:#444;--line:#ddd;--edge:#bbb;
--lives:#1c64b0;--finished:#0b7a66;--failed:#b3400e;--stopped:#77756d;--on-mark:#fff;--gap:#0000001f;
--s1:#1c64b0;--s2:#b8560a;--s3:#0b7a66;--s4:#8a4a9e;--good:#0b6b4f;--bad:#9a3412;--badbg:#fff}
nav,.skip,details{display:none}.card,.column li{break-inside:avoid}body{font-size:10pt}*{print-color-adjust:exact}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.page{max-width:82rem;margin:0 auto;padding:1.25rem 1.25rem 3rem}
h1,h2,h3,p,ul,dl,dd,figure{margin:0;padding:0}ul{list-style:none}
h1{font-size:1.6rem;line-height:1.2;letter-spacing:-.01em}h1 span{color:var(--muted);font-weight:400}
h2{font-size:1.1rem;line-height:1.3}h3{font-size:.95rem}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px;border-radius:3px}
.skip{position:absolute;left:-999px}.skip:focus{left:1rem;top:1rem;background:var(--card);color:var(--ink);padding:.5rem 1rem;z-index:1}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.facts,.meta,.more,figcaption,.empty{color:var(--muted)}.facts{font-size:.9rem;margin-top:.25rem}
.state{display:flex;flex-wrap:wrap;gap:.3rem .75rem;margin-top:.8rem}
.state li{border-left:4px solid var(--good);padding:.15rem .7rem}
.state .good>span{color:var(--good)}.state .bad{border-color:var(--bad);background:var(--badbg)}.state .bad>span,.state .bad strong{color:var(--bad)}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin-top:1rem}
.numbers div,.card,.column,.settled{background:var(--card);border:1px solid var(--line);border-radius:8px}
.numbers div{padding:.6rem .85rem}.numbers dt{color:var(--muted);font-size:.85rem}.numbers b{font-size:1.6rem;line-height:1.25;font-weight:650}
.numbers span{display:block;color:var(--muted);font-size:.85rem}
nav{margin:1.1rem 0 0;font-size:.9rem}nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem}a{color:inherit;text-underline-offset:.2em}
main{margin-top:1.5rem;display:grid;gap:1rem}
main>section>h2{margin-bottom:.6rem}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,14rem),1fr));gap:.75rem;align-items:start}
.column{padding:.7rem .7rem .8rem}.column h3,.settled h3{display:flex;gap:.4rem;align-items:baseline}
.column h3 b,.settled h3 b{color:var(--muted);font-weight:500}.column h3 b{margin-left:auto}
.column h3>span,.settled h3>span{color:var(--muted);width:1.1em;text-align:center}
.column li{border-top:1px solid var(--line);padding:.55rem 0 0;margin-top:.55rem}
.id{display:flex;justify-content:space-between;font-size:.85rem;color:var(--muted)}.id b{color:var(--ink)}
.title{font-weight:500;line-height:1.35}.why{font-size:.88rem;margin-top:.15rem}.why b{color:var(--bad)}
.meta{font-size:.82rem;margin-top:.15rem}.more,.column .empty{font-size:.88rem;margin-top:.5rem}
.settled{margin-top:.75rem;padding:.7rem}.settled ul{margin-top:.4rem;columns:24rem;column-gap:1.5rem}.settled li{padding:.12rem 0;break-inside:avoid;font-size:.9rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem}
.cards .full{grid-column:1/-1}
.card{padding:.9rem 1rem;min-width:0}
figcaption{font-size:.9rem;margin:.2rem 0 .5rem;max-width:75ch}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;margin-top:.35rem;color:var(--ink);font-size:.85rem}
.key{width:auto;height:.8em;vertical-align:-.05em}
.chart svg{display:block;width:100%;height:auto}.chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
.narrow{display:none}
@media (max-width:34rem){.page{padding:1rem .75rem 2rem}.wide{display:none}.narrow{display:block}.card{padding:.8rem .55rem}}
details{margin-top:.6rem;font-size:.88rem}summary{cursor:pointer;color:var(--muted);width:fit-content}summary:hover{color:var(--ink)}
.scroll{overflow:auto;max-height:22rem;margin-top:.5rem;border:1px solid var(--line);border-radius:6px;overflow-wrap:normal}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;font-weight:400}
thead th{font-weight:600;position:sticky;top:0;background:var(--card);white-space:nowrap}.n{text-align:right;white-space:nowrap}
time{white-space:nowrap}footer{margin-top:1.5rem;color:var(--muted);font-size:.85rem}
`;
