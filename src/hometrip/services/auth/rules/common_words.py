"""Words that guessing begins with: `passwords.py` looks for them behind what people put around them."""

from __future__ import annotations

# Rows of keys (English, German and French keyboards), along which passwords are drawn.
ROWS = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl;",
    "zxcvbnm,./",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
)

# Ways across the keys that are not along one row.
WALKS = (
    "1q2w3e4r5t6y7u8i9o0p q1w2e3r4t5y6u7i8o9p0 1qaz2wsx3edc4rfv5tgb6yhn7ujm zaq1xsw2cde3vfr4bgt5nhy6mju7 "
    "zaq12wsxcde34rfvbgt56yhn qazwsxedcrfvtgbyhnujmikolp 123qweasdzxc qweasdzxc123 1234qwerasdfzxcv "
    "123456qwertyuiop qwerty123456789 1472583690 7418529630 1597532468 9876543210qwerty abc1234567890 "
    "a1b2c3d4e5f6g7h8 1a2b3c4d5e6f7g8h a1s2d3f4g5h6j7k8"
).split()

_ABOUT_PASSWORDS = """
password passwort motdepasse contrasena contraseña parola senha wachtwoord haslo passwd passw pass pwd
mypassword newpassword oldpassword thepassword yourpassword nopassword changeme changeit changethis
changemenow letmein letmeinnow letmepass opensesame sesame secret supersecret topsecret mysecret geheim
access accessdenied login logon signin welcome welcomeback willkommen bienvenue bienvenido default temporary
temppass temppassword test testing tester testtest testuser testaccount demo demouser example sample guest
user username myusername admin administrator adminadmin adminpassword passwordadmin sysadmin root rootroot
toor superuser superman master mastermind server database system windows computer internet network router
backup security secure private public account mailmail email whatever nothing something anything blank none
null forgot forgotten remember remembered idontknow dontknow notmypassword trustno trustnoone trustme hackme
qwerty qwertyqwerty qwertyuiop qwertz azerty asdfgh asdfghjkl zxcvbnm qazwsx qazwsxedc qweasd qweasdzxc
qwaszx wsxedc zaqxsw zaqwsx zaqzaq asdasd asdfasdf qweqwe qwerasdf asdf zxcv qwe qwer asd zxc abc abcd abcde
abcdef abcdefg abcdefgh abcabc aabbcc aaabbb poiuytrewq lkjhgfdsa mnbvcxz
"""
_FEELINGS = """
iloveyou iloveme iloveu iloveyousomuch ilovemylife ilovegod ilovejesus ilovemymom ilovemyfamily ilovemykids
ilovemusic ilovefood ilovedogs ilovecats iloveher ilovehim loveyou loveme lovely lover lovers love lovelove
truelove mylove babylove endlesslove loveforever foreverlove forever iloveyouforever jetaime jetaimetoujours
teamo teamomucho tequiero tequieromucho amor amorcito miamor ichliebedich schatz liebling loulou doudou
chouchou darling sweetheart sweety sweetie sweet honey honeybee honeybunny babygirl babyboy baby babybaby
beautiful gorgeous pretty princess prince princesa prinzessin princesse angel angels angelito angelbaby
happy happiness happyday lucky luckyme blessed faith hope peace freedom liberty destiny family familyfirst
myfamily friends friendship bestfriend bestfriends friendsforever sunshine rainbow starlight moonlight
butterfly butterflies buttercup flower flowers sunflower dandelion strawberry blueberry cherry peaches
banana pineapple chocolate cupcake cookie cookies candy jellybean peanut peanutbutter pumpkin pickle cheese
chicken cheesecake sugar fuckyou fuckme fuckoff fucker motherfucker asshole bullshit bitch bastard sexy
sexysexy sexygirl loser nevermind dontforget letsgo hello hellohello helloworld hellokitty hallo hallohallo
bonjour coucou hola goodbye goodluck goodmorning goodnight imissyou missyou kissme kisses hugs smile smiley
whatsup
"""
_NAMES = """
michael michelle michaeljackson jennifer jessica jordan jordans joshua matthew daniel danielle andrew andrea
anthony christopher christian christina christine charlie charlotte thomas robert richard william jonathan
jonathon nicholas nicole nicolas alexander alexandra alexandre alejandro alejandra stephanie elizabeth
samantha amanda ashley brandon brandy brittany benjamin patrick patricia veronica victoria vanessa valentina
valentin katherine catherine kimberly heather hannah isabella gabriel gabriela gabrielle madison natalie
natasha sabrina samsung samuel sebastian sophie stephen steven summer taylor tiffany vincent william zachary
maverick marie marina maria mariana manuel martin martina melanie melissa miguel monica olivia oliver
philippe pierre francisco francois fernando eduardo carolina caroline claudia barbara beatriz bernard carlos
cristina david diego dominic dominique donald edward george gregory guillermo harold jasmine javier jeremy
joseph julian juliana julien justin katrina kenneth kristina laura lauren leonardo lorenzo lucas margaret
mohammed muhammad mustafa ronaldo cristiano ronaldinho rooney beckham messi
"""
_FANCY = """
dragon dragons dragonball dragonballz monkey monkeys shadow shadows tiger tigers lion lions eagle eagles
falcon phoenix panther panthers wolf wolves bear bears kitty kitten kittens puppy doggy doggie horses pony
turtle dolphin dolphins penguin elephant spider spiderman batman ironman wolverine captainamerica superstar
starwars startrek darthvader skywalker jedimaster gandalf frodo lordoftherings harrypotter hogwarts hermione
voldemort pokemon pikachu charizard naruto narutouzumaki sasuke itachi sakura goku vegeta onepiece luffy
minecraft roblox fortnite counterstrike callofduty warcraft worldofwarcraft starcraft leagueoflegends
finalfantasy zelda mario supermario nintendo playstation xbox gamer gameover gamecube godzilla kingkong
matrix neo terminator predator hunter hunters killer killers warrior warriors soldier soldiers ranger
rangers knight knights samurai ninja wizard wizards magic magical mystery vampire zombie zombies demon devil
lucifer satan heaven hell thunder lightning storm hurricane tornado fire firebird phantom ghost ghosts
diamond diamonds crystal golden silver platinum football footballer soccer baseball basketball hockey
softball volleyball tennis golf golfer fishing hunting surfing skateboard snowboard swimming running yankees
redsox cowboys lakers steelers packers patriots dodgers giants broncos raiders chicagobulls manchester
manunited manchesterunited liverpool liverpoolfc arsenal chelsea chelseafc barcelona fcbarcelona realmadrid
juventus bayernmunchen bayernmuenchen borussia schalke galatasaray fenerbahce besiktas marseille
parissaintgermain champion champions winner winners metallica nirvana slipknot linkinpark greenday eminem
rockstar rocknroll guitar guitarist musicman musiclover mercedes ferrari lamborghini porsche mustang camaro
corvette harley harleydavidson yamaha kawasaki suzuki toyota honda bmw audi volkswagen chevrolet chevy
jaguar nissan subaru
"""
_TIMES_AND_PLACES = """
monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
september october november december spring summer summertime autumn winter wintertime christmas halloween
newyear birthday weekend holiday holidays vacation vacances urlaub vacaciones juillet decembre septembre
januar februar dezember sommer printemps automne verano invierno america american england london paris
berlin madrid munich newyork newyorkcity losangeles california florida texas hollywood canada mexico brasil
brazil france germany deutschland espana australia india pakistan indonesia philippines jamaica africa
hometrip airbnb booking facebook google googlegoogle youtube twitter instagram snapchat linkedin
linkedinpassword microsoft iphone android samsunggalaxy amazon netflix myspace yahoo hotmail gmail spotify
whatsapp tiktok adobe photoshop jesus jesuschrist jesussaves jesusislord jesuslovesme godisgood godislove
godbless thankgod thankyou christ allah bismillah alhamdulillah inshallah
"""
COMMON = frozenset(f"{_ABOUT_PASSWORDS} {_FEELINGS} {_NAMES} {_FANCY} {_TIMES_AND_PLACES}".split())
