"""The 109 volumes of Manga109, as its ``books.txt`` names them; the page measured of each carries its name."""

_TITLES = """
    AisazuNihaIrarenai AkkeraKanjinchou Akuhamu AosugiruHaru AppareKappore Arisa ARMS BakuretsuKungFuGirl Belmondo
    BEMADER_P BokuHaSitatakaKun BurariTessenTorimonocho ByebyeC-BOY Count3DeKimeteAgeru DollGun Donburakokko
    DualJustice EienNoWith EvaLady EverydayOsakanaChan GakuenNoise GarakutayaManta GinNoChimera GOOD_KISS_Ver2
    Hamlet HanzaiKousyouninMinegishiEitarou HaruichibanNoFukukoro HarukaRefrain HealingPlanet HeiseiJimen
    HighschoolKimengumi_vol01 HighschoolKimengumi_vol20 HinagikuKenzan HisokaReturns JangiriPonpon JijiBabaFight
    Joouari Jyovolley KarappoHighschool KimiHaBokuNoTaiyouDa KoukouNoHitotachi KuroidoGanka KyokugenCyclone
    LancelotFullThrottle LoveHina_vol01 LoveHina_vol14 MAD_STONE MadouTaiga MagicianLoad MagicStarGakuin
    MariaSamaNihaNaisyo MayaNoAkaiKutsu MemorySeijin MeteoSanStrikeDesu MiraiSan MisutenaideDaisy
    MoeruOnisan_vol01 MoeruOnisan_vol19 MomoyamaHaikagura MukoukizuNoChonbo MutekiBoukenSyakuma Nekodama
    NichijouSoup Ningyoushi OhWareraRettouSeitokai OL_Lunch ParaisoRoad PikaruGenkiDesu PLANET7 PlatinumJungle
    PrayerHaNemurenai PrismHeart PsychoStaff Raphael ReveryEarth RinToSiteSippuNoNaka RisingGirl Saisoku
    SaladDays_vol01 SaladDays_vol18 SamayoeruSyonenNiJunaiWo SeisinkiVulnus ShimatteIkouze_vol01
    ShimatteIkouze_vol26 SonokiDeABC SyabondamaKieta TaiyouNiSmash TapkunNoTanteisitsu TasogareTsushin
    TennenSenshiG TensiNoHaneToAkumaNoShippo TetsuSan That'sIzumiko TotteokiNoABC ToutaMairimasu TouyouKidan
    TsubasaNoKioku UchiNoNyan'sDiary UchuKigekiM774 UltraEleven UnbalanceTokyo WarewareHaOniDearu YamatoNoHane
    YasasiiAkuma YouchienBoueigumi YoumaKourin YukiNoFuruMachi YumeiroCooking YumeNoKayoiji
"""

MANGA109_TITLES = tuple(_TITLES.split())
"""Titles, one word each."""
